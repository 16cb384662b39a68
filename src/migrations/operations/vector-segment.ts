import { randomUUID } from 'node:crypto'
import { open, readdir, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { crc32 } from 'node:zlib'

/** Bytes of a key, a SHA-256. */
export const KEY_BYTES = 32
const MAGIC = 0x31_76_65_63 // "cev1"
/** Magic, number of floats, checksum of the rest. */
const HEAD_BYTES = 12
const READ_BYTES = 256 * 1024
/** Longer vectors are no vectors. */
const MAX_FLOATS = 1_000_000

export interface SegmentEntry {
  /** Where it begins in the file. */
  readonly offset: number
  readonly floats: number
  readonly key: Buffer
}

/**
 * One file of vectors: entries of a head (magic, number of floats, CRC-32; little-endian), a key and float32.
 * Only the process that has made it appends to it, so that two never disturb each other; a process that is
 * killed leaves at worst an unfinished entry at its end.
 */
export class VectorSegment {
  readonly path: string
  readonly #file: FileHandle
  /** Where the next entry goes. */
  size = 0

  private constructor(filePath: string, file: FileHandle) {
    this.path = filePath
    this.#file = file
  }

  static async create(directory: string): Promise<VectorSegment> {
    const filePath = path.join(directory, `${Date.now().toString(36)}-${randomUUID()}${SUFFIX}`)
    return new VectorSegment(filePath, await open(filePath, 'wx+', 0o600))
  }

  static async open(filePath: string): Promise<VectorSegment> {
    return new VectorSegment(filePath, await open(filePath, 'r'))
  }

  async append(key: Buffer, vector: Float32Array): Promise<SegmentEntry> {
    const offset = this.size
    const bytes = encode(key, vector)
    // At once, before the next one is waited for: entries may be written side by side.
    this.size += bytes.length
    await this.#file.write(bytes, 0, bytes.length, offset)
    return { offset, floats: vector.length, key }
  }

  /** Null when the entry is not what it was. */
  async read({ offset, floats, key }: SegmentEntry): Promise<Float32Array | null> {
    const bytes = Buffer.alloc(HEAD_BYTES + KEY_BYTES + floats * 4)
    const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, offset)
    if (bytesRead < bytes.length || bytes.readUInt32LE(0) !== MAGIC) return null
    if (bytes.readUInt32LE(4) !== floats || crc32(bytes.subarray(HEAD_BYTES)) !== bytes.readUInt32LE(8))
      return null
    if (!bytes.subarray(HEAD_BYTES, HEAD_BYTES + KEY_BYTES).equals(key)) return null
    const vector = new Float32Array(floats)
    Buffer.from(vector.buffer).set(bytes.subarray(HEAD_BYTES + KEY_BYTES))
    return vector
  }

  /** The entries up to the first that is not whole; what is behind that cannot be found any more. */
  async *entries(): AsyncGenerator<SegmentEntry, void, undefined> {
    const { size } = await this.#file.stat()
    const window = Buffer.allocUnsafe(READ_BYTES)
    let [start, end] = [0, 0]
    let offset = 0
    while (offset + HEAD_BYTES + KEY_BYTES <= size) {
      if (offset < start || offset + HEAD_BYTES + KEY_BYTES > end) {
        start = offset
        end = start + (await this.#file.read(window, 0, READ_BYTES, start)).bytesRead
        if (end < offset + HEAD_BYTES + KEY_BYTES) return
      }
      const at = offset - start
      const floats = window.readUInt32LE(at + 4)
      if (window.readUInt32LE(at) !== MAGIC || floats > MAX_FLOATS) return
      const next = offset + HEAD_BYTES + KEY_BYTES + floats * 4
      if (next > size) return
      const key = Buffer.from(window.subarray(at + HEAD_BYTES, at + HEAD_BYTES + KEY_BYTES))
      yield { offset, floats, key }
      offset = next
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Names of the segments in a folder, the oldest first; none when there is no such folder. */
export async function listSegments(directory: string): Promise<string[]> {
  const names = await readdir(directory)
  return names.filter((name) => name.endsWith(SUFFIX)).sort()
}

const SUFFIX = '.vectors'

function encode(key: Buffer, vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + KEY_BYTES + vector.byteLength)
  key.copy(bytes, HEAD_BYTES)
  bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), HEAD_BYTES + KEY_BYTES)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(vector.length, 4)
  bytes.writeUInt32LE(crc32(bytes.subarray(HEAD_BYTES)), 8)
  return bytes
}
