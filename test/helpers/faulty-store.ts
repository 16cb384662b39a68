import { StoreFullError, type GetOptions, type StoredBlob } from '../../src/storage/blob-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'

/** A memory store on which a test can inflict what disks and networks do. */
export class FaultyStore extends MemoryStore {
  /** Bytes that still fit; then {@link StoreFullError}. */
  room = Infinity
  /** Called with each key before it is written; may throw, or abort something. */
  beforePut: (key: string) => void = () => {}
  /** Keys of which the next whole read gives garbage. */
  readonly garbleOnce = new Set<string>()

  override async put(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    this.#take(key, bytes)
    return super.put(key, bytes, signal)
  }

  override async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    this.#take(key, bytes)
    return super.putNew(key, bytes, signal)
  }

  override async get(key: string, options?: GetOptions): Promise<StoredBlob> {
    const blob = await super.get(key, options)
    if (!this.garbleOnce.delete(key)) return blob
    return { ...blob, bytes: blob.bytes.map((byte) => byte ^ 0x55) }
  }

  async keys(prefix = ''): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.list(prefix)) keys.push(key)
    return keys
  }

  /** Replaces what is stored, as bit rot or a careless hand would. */
  async damage(key: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
    const { bytes } = await super.get(key)
    await super.put(key, change(Buffer.from(bytes)))
  }

  #take(key: string, bytes: Uint8Array): void {
    this.beforePut(key)
    if (bytes.length > this.room) throw new StoreFullError(`no space left for ${key}`)
    this.room -= bytes.length
  }
}

/** The same bytes with one bit changed. */
export function withFlippedBit(bytes: Buffer, bit: number): Buffer {
  const changed = Buffer.from(bytes)
  const at = bit >> 3
  changed.writeUInt8(changed.readUInt8(at) ^ (1 << (bit & 7)), at)
  return changed
}
