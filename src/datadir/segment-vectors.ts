import path from 'node:path'

import { HnswError, PickleError } from './errors.js'
import { openHnswIndex, PICKLE_FILE } from './hnsw-index.js'
import { HnswVectors } from './hnsw-vectors.js'
import { IdTable } from './id-table.js'
import { readIndexPickle } from './read-index-pickle.js'
import { maxSeqIdOf } from './seq-id.js'
import type { Database } from './sqlite.js'
import { walEntries, walVectors } from './wal.js'

/** Where the vectors of one collection are. */
export interface VectorSegment {
  readonly database: Database
  readonly collectionId: string
  /** The folder of the vector segment; null when the collection has none. */
  readonly folder: string | null
  readonly segmentId: string | null
  readonly dimension: number
  /** Vectors of cosine collections are stored with length 1, and their lengths apart. */
  readonly cosine: boolean
}

const DELETED = -1

/**
 * The vectors of a collection as a server has them in memory: those in the files of the index, then what the
 * log says since the index was saved. In memory are 16 bytes a record, not the vectors.
 */
export class SegmentVectors {
  /** Why the files of the index could not be read; null when all is well, or when it was never saved. */
  readonly problem: HnswError | PickleError | null
  readonly #segment: VectorSegment
  readonly #labels: IdTable
  readonly #log: IdTable
  readonly #vectors: HnswVectors | null

  private constructor(segment: VectorSegment, saved: SavedIndex, log: IdTable) {
    this.#segment = segment
    this.#labels = saved.labels
    this.#vectors = saved.vectors
    this.problem = saved.problem
    this.#log = log
  }

  static async open(segment: VectorSegment, signal?: AbortSignal): Promise<SegmentVectors> {
    const { database, collectionId, segmentId } = segment
    const applied = segmentId === null ? null : maxSeqIdOf(database, segmentId)
    const saved = await openSaved(segment, applied, signal)
    const log = new IdTable()
    for (const { seqId, operation, id, hasVector } of walEntries(
      database,
      collectionId,
      applied ?? saved.maxSeqId ?? 0n,
    )) {
      const bytes = Buffer.from(id)
      const known = log.get(bytes, 0, bytes.length)
      const exists = Number.isNaN(known)
        ? !Number.isNaN(saved.labels.get(bytes, 0, bytes.length))
        : known !== DELETED
      if (operation === 'delete' && exists) log.set(bytes, 0, bytes.length, DELETED)
      const writes =
        operation === 'upsert' || (operation === 'add' && !exists) || (operation === 'update' && exists)
      if (writes && hasVector) log.set(bytes, 0, bytes.length, Number(seqId))
    }
    return new SegmentVectors(segment, saved, log)
  }

  /**
   * The vectors of some records, whose ids are pieces of `bytes`, into `target` row by row. Returns the rows
   * without a vector, ascending; they stay zero.
   */
  async read(ids: IdPieces, target: Float32Array): Promise<readonly number[]> {
    const { database, dimension } = this.#segment
    const rows = ids.ends.length
    const labels = new Float64Array(rows).fill(NaN)
    const missing: number[] = []
    const fromLog = new Map<number, number>()
    for (let row = 0; row < rows; row++) {
      const [from = 0, to = 0] = [ids.starts[row], ids.ends[row]]
      const logged = this.#log.get(ids.bytes, from, to)
      if (logged === DELETED) continue
      if (Number.isNaN(logged)) labels[row] = this.#labels.get(ids.bytes, from, to)
      else fromLog.set(row, logged)
    }
    const inLog = walVectors(database, [...fromLog.values()])
    const present = (await this.#vectors?.read(labels, target)) ?? new Uint8Array(rows)
    for (let row = 0; row < rows; row++) {
      const vector = inLog.get(fromLog.get(row) ?? NaN)
      if (vector?.length === dimension) target.set(vector, row * dimension)
      else if (present[row] !== 1) missing.push(row)
    }
    return missing
  }

  async close(): Promise<void> {
    await this.#vectors?.close()
  }
}

/** Ids as pieces of bytes (UTF-8). */
export interface IdPieces {
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
}

interface SavedIndex {
  readonly labels: IdTable
  readonly vectors: HnswVectors | null
  readonly maxSeqId: bigint | null
  readonly problem: HnswError | PickleError | null
}

async function openSaved(
  segment: VectorSegment,
  applied: bigint | null,
  signal: AbortSignal | undefined,
): Promise<SavedIndex> {
  const nothing = { labels: new IdTable(), vectors: null, maxSeqId: null }
  try {
    if (segment.folder === null) return { ...nothing, problem: null }
    const pickle = await readIndexPickle(path.join(segment.folder, PICKLE_FILE), signal)
    if (pickle === null) {
      const problem =
        applied === null ? null : new HnswError(`${path.join(segment.folder, PICKLE_FILE)} is missing`)
      return { ...nothing, problem }
    }
    const index = await openHnswIndex(segment.folder)
    const { labels, maxSeqId } = pickle
    return { labels, maxSeqId, vectors: await HnswVectors.open(index, segment), problem: null }
  } catch (error) {
    if (error instanceof HnswError || error instanceof PickleError) return { ...nothing, problem: error }
    throw error
  }
}
