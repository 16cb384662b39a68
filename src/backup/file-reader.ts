import { putTogether, recordLength } from './block-parts.js'
import type { Block, FileEntry, FileTable, Plane } from './file-table.js'
import type { ObjectReader } from './object-reader.js'

export interface FileReadJob {
  readonly objects: ObjectReader
  readonly table: FileTable
  readonly file: FileEntry
  readonly signal?: AbortSignal | undefined
}

/** Bytes of a plane that lie together in one object, or a hole. */
export interface Span {
  /** Where they begin in the plane. */
  readonly at: number
  readonly length: number
  /** Object and offset; null for zeros. */
  readonly extent: readonly [object: number, offset: number] | null
}

const RECORDS_BYTES = 2 * 1024 * 1024

/**
 * The whole records of a file that is kept as planes, in order; a piece is valid until the next but one. Every object is verified when it is read; rejects
 * with an ObjectDamagedError.
 */
export async function* readRecordPieces(job: FileReadJob): AsyncGenerator<Buffer> {
  const { parts, planes, size } = job.file
  const record = recordLength(parts)
  const records = Math.floor(size / record)
  const step = Math.max(1, Math.floor(RECORDS_BYTES / record))
  const readers = parts.map((part, index) => new PlaneReader(job, planes[index], part * step))
  const memories = [Buffer.allocUnsafeSlow(step * record), Buffer.allocUnsafeSlow(step * record)]
  for (let at = 0; at < records; at += step) {
    const count = Math.min(step, records - at)
    const pieces = await Promise.all(readers.map((reader, index) => reader.read((parts[index] ?? 0) * count)))
    const [memory = Buffer.alloc(0), other = memory] = memories
    memories.splice(0, 2, other, memory)
    yield putTogether(pieces, parts, memory)
  }
}

/** Blocks that follow each other in their object too are one span. */
export function* spansOf(file: FileEntry, plane: Plane): Generator<Span> {
  let [at, length] = [0, 0]
  let extent: Span['extent'] = null
  for (const block of plane.blocks) {
    const from = at + length
    const isHole = typeof block === 'number'
    const more = Math.min(file.blockSize * (isHole ? block : 1), plane.size - from)
    const isNext = !isHole && extent !== null && block[0] === extent[0] && block[1] === extent[1] + length
    if (isNext) {
      length += more
      continue
    }
    if (length > 0) yield { at, length, extent }
    at = from
    length = more
    extent = isHole ? null : [block[0], block[1]]
  }
  if (length > 0) yield { at, length, extent }
}

/** The blocks of a plane, with the content id that each must have; a number stands for so many zeros. */
export async function* blocksOf(job: FileReadJob, plane: Plane): AsyncGenerator<Buffer | number> {
  const { objects, table, file, signal } = job
  const purpose = { collection: null, signal }
  let at = 0
  for (const [index, block] of plane.blocks.entries()) {
    const length = Math.min(file.blockSize * (typeof block === 'number' ? block : 1), plane.size - at)
    at += length
    if (typeof block === 'number') {
      yield length
      continue
    }
    const next = nextObject(plane.blocks, index)
    // Read ahead; what is wrong with it is told in its turn.
    if (next !== null) objects.readExtents(table.objects, [[next, 0, 0]], purpose).catch(() => {})
    yield await objects.readExtents(table.objects, [[block[0], block[1], length]], purpose)
  }
}

/** The object of the following blocks, at the first block of each run. */
function nextObject(blocks: readonly Block[], index: number): number | null {
  const current = objectOf(blocks[index])
  if (index > 0 && objectOf(blocks[index - 1]) === current) return null
  for (let at = index + 1; at < blocks.length; at++) {
    const other = objectOf(blocks[at])
    if (other !== null && other !== current) return other
  }
  return null
}

function objectOf(block: Block | undefined): number | null {
  return block === undefined || typeof block === 'number' ? null : block[0]
}

/** Bytes of a plane, so many at a time; they are valid until the next are read. */
class PlaneReader {
  readonly #pieces: AsyncGenerator<Buffer | number>
  readonly #memory: Buffer
  #pending: Buffer | number = 0

  constructor(job: FileReadJob, plane: Plane = { size: 0, blocks: [] }, most: number) {
    this.#pieces = blocksOf(job, plane)
    this.#memory = Buffer.allocUnsafeSlow(most)
  }

  async read(length: number): Promise<Buffer> {
    for (let filled = 0; filled < length;) {
      if (this.#pending === 0 || (typeof this.#pending !== 'number' && this.#pending.length === 0)) {
        const next = await this.#pieces.next()
        if (next.done === true) throw new Error('a plane is shorter than its size')
        this.#pending = next.value
      }
      filled += this.#take(filled, length)
    }
    return this.#memory.subarray(0, length)
  }

  #take(from: number, to: number): number {
    const pending = this.#pending
    if (typeof pending === 'number') {
      const zeros = Math.min(pending, to - from)
      this.#memory.fill(0, from, from + zeros)
      this.#pending = pending - zeros
      return zeros
    }
    const copied = pending.copy(this.#memory, from, 0, Math.min(pending.length, to - from))
    this.#pending = pending.subarray(copied)
    return copied
  }
}
