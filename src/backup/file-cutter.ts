import { open, type FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { takeApart, recordLength } from './block-parts.js'

/** How a file is cut into blocks. */
export interface Cut {
  readonly blockSize: number
  /** See `FileEntry.parts`. */
  readonly parts: readonly number[]
}

/** Bytes of a plane, in order; every piece but the plane's last is a whole block. */
export interface CutPiece {
  readonly plane: number
  readonly bytes: Buffer
}

const READ_BYTES = 2 * 1024 * 1024
/** Files are cut into so many blocks at most, or their blocks would be larger than 4 MiB. */
const MOST_BLOCKS = 65_536
const SMALLEST = 64 * 1024
/** Rows are written all over a database, and each changes a page of 4 KiB. */
const SMALLEST_OF_DATABASE = 16 * 1024
const LARGEST = 4 * 1024 * 1024

/** The size of the blocks of a file that has none from an earlier backup: a power of two. */
export function blockSizeFor(name: string, size: number): number {
  let bytes = name.endsWith('.sqlite3') ? SMALLEST_OF_DATABASE : SMALLEST
  while (bytes < LARGEST && size / bytes > MOST_BLOCKS) bytes *= 2
  return bytes
}

/**
 * The parts of an element in `data_level0.bin`, told by `header.bin` (hnswlib, `hnswalg.h`: size of an element
 * at 28, offset of its vector at 44): links, vector and label. Empty for every other file, and when the header
 * makes no sense; any answer is right, a good one saves space. Null when there is no header.
 */
export async function partsOf(source: string): Promise<readonly number[] | null> {
  if (path.basename(source) !== 'data_level0.bin') return []
  const bytes = await readStart(path.join(path.dirname(source), 'header.bin'), 100)
  if (bytes === null) return null
  if (bytes.length < 100) return []
  const [element, vector] = [Number(bytes.readBigUInt64LE(28)), Number(bytes.readBigUInt64LE(44))]
  return vector > 0 && vector < element && element <= 1024 * 1024 ? [vector, element - vector] : []
}

/** Reads a file of which the size is known and cuts it; a file that has become shorter is filled up with zeros. */
export async function* cutFile(
  source: string,
  size: number,
  { blockSize, parts }: Cut,
  signal?: AbortSignal,
): AsyncGenerator<CutPiece> {
  const handle = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const record = recordLength(parts)
    const rest = parts.length === 0 ? 0 : parts.length
    const records = parts.length === 0 ? 0 : Math.floor(size / record) * record
    const planes = Array.from({ length: rest + 1 }, () => new PlaneBuffer(blockSize))
    const step = parts.length === 0 ? READ_BYTES : Math.max(1, Math.floor(READ_BYTES / record)) * record
    for (let at = 0; at < size;) {
      throwIfAborted(signal)
      const end = at < records ? Math.min(at + step, records) : Math.min(at + READ_BYTES, size)
      const bytes = await readExactly(handle, at, end - at)
      const pieces = at < records ? takeApart(bytes, parts) : [bytes]
      const first = at < records ? 0 : rest
      for (const [index, piece] of pieces.entries())
        for (const block of planes[first + index]?.push(piece) ?? [])
          yield { plane: first + index, bytes: block }
      at = end
    }
    for (const [plane, buffer] of planes.entries()) {
      const last = buffer.rest()
      if (last.length > 0) yield { plane, bytes: last }
    }
  } finally {
    await handle.close()
  }
}

/** Cuts what is pushed into blocks. */
class PlaneBuffer {
  readonly #blockSize: number
  #pending: Buffer[] = []
  #length = 0

  constructor(blockSize: number) {
    this.#blockSize = blockSize
  }

  *push(bytes: Uint8Array): Generator<Buffer> {
    this.#pending.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.#length += bytes.length
    if (this.#length < this.#blockSize) return
    const [only] = this.#pending
    const all = this.#pending.length === 1 && only !== undefined ? only : Buffer.concat(this.#pending)
    let at = 0
    for (; at + this.#blockSize <= all.length; at += this.#blockSize)
      yield all.subarray(at, at + this.#blockSize)
    this.#pending = at === all.length ? [] : [all.subarray(at)]
    this.#length = all.length - at
  }

  rest(): Buffer {
    return Buffer.concat(this.#pending)
  }
}

async function readExactly(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(buffer, done, length - done, at + done)
    if (bytesRead === 0) {
      buffer.fill(0, done)
      break
    }
    done += bytesRead
  }
  return buffer
}

async function readStart(file: string, length: number): Promise<Buffer | null> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}
