import { putTogether, recordLength } from './block-parts.js'
import type { Block, FileEntry, FileTable, Plane } from './file-table.js'
import type { ObjectReader } from './object-reader.js'

/** Consecutive bytes of a file; a number stands for so many zeros. */
export type FilePiece = Buffer | number

export interface FileReadJob {
  readonly objects: ObjectReader
  readonly table: FileTable
  readonly file: FileEntry
  readonly signal?: AbortSignal | undefined
}

const RECORDS_BYTES = 1024 * 1024

/** The whole file in order. Every object is verified when it is read; rejects with an ObjectDamagedError. */
export async function* readFilePieces(job: FileReadJob): AsyncGenerator<FilePiece> {
  const { file } = job
  const { parts, planes } = file
  const rest = planes[parts.length]
  if (parts.length > 0) {
    const record = recordLength(parts)
    const records = Math.floor(file.size / record)
    const step = Math.max(1, Math.floor(RECORDS_BYTES / record))
    const readers = parts.map((_, index) => new PlaneReader(job, planes[index]))
    for (let at = 0; at < records; at += step) {
      const count = Math.min(step, records - at)
      const pieces = await Promise.all(
        readers.map((reader, index) => reader.read((parts[index] ?? 0) * count)),
      )
      yield putTogether(pieces, parts)
    }
  }
  if (rest !== undefined) yield* blocksOf(job, rest)
}

/** The blocks of a plane, with the content id that each must have; zeros have none. */
export async function* blocksOf(job: FileReadJob, plane: Plane): AsyncGenerator<FilePiece> {
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

/** Any number of bytes of a plane at a time. */
class PlaneReader {
  readonly #pieces: AsyncGenerator<FilePiece>
  #pending: Buffer = Buffer.alloc(0)

  constructor(job: FileReadJob, plane: Plane = { size: 0, blocks: [] }) {
    this.#pieces = blocksOf(job, plane)
  }

  async read(length: number): Promise<Buffer> {
    const gathered: Buffer[] = [this.#pending]
    let have = this.#pending.length
    while (have < length) {
      const next = await this.#pieces.next()
      if (next.done === true) throw new Error('a plane is shorter than its size')
      const bytes = typeof next.value === 'number' ? Buffer.alloc(next.value) : next.value
      gathered.push(bytes)
      have += bytes.length
    }
    const all = Buffer.concat(gathered, have)
    this.#pending = all.subarray(length)
    return all.subarray(0, length)
  }
}
