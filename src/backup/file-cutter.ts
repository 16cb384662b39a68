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

/**
 * Reads a file of which the size is known and cuts it; a file that has become shorter is filled up with zeros.
 * The bytes of a piece are valid until the next one is asked for.
 */
export async function* cutFile(
  source: string,
  size: number,
  { blockSize, parts }: Cut,
  signal?: AbortSignal,
): AsyncGenerator<CutPiece> {
  const handle = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const record = recordLength(parts)
    const records = parts.length === 0 ? 0 : Math.floor(size / record) * record
    const planes = Array.from({ length: parts.length + 1 }, () => new PlaneBuffer(blockSize))
    const steps = readSteps(size, records, record)
    const buffers = [Buffer.allocUnsafeSlow(longest(steps)), Buffer.allocUnsafeSlow(longest(steps))]
    const memory = Buffer.allocUnsafeSlow(parts.length === 0 ? 0 : longest(steps))
    const read = async (index: number): Promise<Buffer> => {
      const step = steps[index]
      const buffer = buffers[index % 2]
      if (step === undefined || buffer === undefined) return Buffer.alloc(0)
      return readExactly(handle, step.at, buffer.subarray(0, step.length))
    }
    let next = read(0)
    for (const [index, { at }] of steps.entries()) {
      throwIfAborted(signal)
      const bytes = await next
      // The disk works while what it gave is cut; a failure is told in its turn.
      next = read(index + 1)
      next.catch(() => {})
      const isRecords = at < records
      const pieces = isRecords ? takeApart(bytes, parts, memory) : [bytes]
      const first = isRecords ? 0 : parts.length
      for (const [part, piece] of pieces.entries())
        for (const block of planes[first + part]?.push(piece) ?? [])
          yield { plane: first + part, bytes: block }
    }
    await next
    for (const [plane, buffer] of planes.entries()) {
      const last = buffer.rest()
      if (last.length > 0) yield { plane, bytes: last }
    }
  } finally {
    await handle.close()
  }
}

interface ReadStep {
  readonly at: number
  readonly length: number
}

/** Whole records first, then the rest. */
function readSteps(size: number, records: number, record: number): readonly ReadStep[] {
  const steps: ReadStep[] = []
  const perRead = record === 0 ? READ_BYTES : Math.max(1, Math.floor(READ_BYTES / record)) * record
  for (let at = 0; at < size;) {
    const length = at < records ? Math.min(perRead, records - at) : Math.min(READ_BYTES, size - at)
    steps.push({ at, length })
    at += length
  }
  return steps
}

function longest(steps: readonly ReadStep[]): number {
  return steps.reduce((most, { length }) => Math.max(most, length), 0)
}

/** Cuts what is pushed into blocks, without copying where a block lies within what was pushed. */
class PlaneBuffer {
  readonly #blockSize: number
  readonly #block: Buffer
  #filled = 0

  constructor(blockSize: number) {
    this.#blockSize = blockSize
    this.#block = Buffer.allocUnsafeSlow(blockSize)
  }

  *push(bytes: Buffer): Generator<Buffer> {
    let at = 0
    if (this.#filled > 0) {
      at = bytes.copy(this.#block, this.#filled)
      this.#filled += at
      if (this.#filled < this.#blockSize) return
      yield this.#block
      this.#filled = 0
    }
    for (; at + this.#blockSize <= bytes.length; at += this.#blockSize)
      yield bytes.subarray(at, at + this.#blockSize)
    this.#filled = bytes.copy(this.#block, 0, at)
  }

  rest(): Buffer {
    return this.#block.subarray(0, this.#filled)
  }
}

async function readExactly(handle: FileHandle, at: number, buffer: Buffer): Promise<Buffer> {
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, at + done)
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
