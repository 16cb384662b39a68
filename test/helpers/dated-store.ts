import { MemoryStore } from '../../src/storage/memory-store.js'
import type { BlobInfo } from '../../src/storage/blob-store.js'

/** A memory store whose clock a test sets; blobs get the time at which they were written. */
export class DatedStore extends MemoryStore {
  time: Date
  readonly #modified = new Map<string, Date>()

  constructor(time: Date) {
    super('dated')
    this.time = time
  }

  /** Lets time pass. */
  pass(ms: number): void {
    this.time = new Date(this.time.getTime() + ms)
  }

  override async put(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    await super.put(key, bytes, signal)
    this.#modified.set(key, this.time)
  }

  override async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    const version = await super.putNew(key, bytes, signal)
    this.#modified.set(key, this.time)
    return version
  }

  override async putIfMatch(key: string, bytes: Uint8Array, version: string, signal?: AbortSignal) {
    const next = await super.putIfMatch(key, bytes, version, signal)
    this.#modified.set(key, this.time)
    return next
  }

  override async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    return this.#dated(await super.stat(key, signal))
  }

  override async *list(prefix: string, signal?: AbortSignal, after?: string) {
    for await (const info of super.list(prefix, signal, after)) yield this.#dated(info)
  }

  override async storeTime(): Promise<Date> {
    return this.time
  }

  async keys(prefix = ''): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.list(prefix)) keys.push(key)
    return keys
  }

  #dated(info: BlobInfo): BlobInfo {
    return { ...info, modified: this.#modified.get(info.key) ?? this.time }
  }
}
