import { piecesOf } from '../core/batch-rows.js'
import { mapInOrder } from '../core/map-in-order.js'
import { silentProgress, type Progress } from '../core/progress.js'
import {
  displayName,
  type CollectionReader,
  type RecordBatch,
  type RecordLookup,
  type Space,
} from '../core/records.js'
import { compareRecord, type Row } from './compare-record.js'
import type { Comparison } from './comparison.js'
import { IdFilter } from './id-filter.js'
import { OrderDigest } from './order-digest.js'
import { Samples } from './samples.js'

export interface CompareJob {
  readonly expected: CollectionReader
  readonly actual: RecordLookup
  /** Of the collection: how exact its vectors can be. */
  readonly space: Space
  /** The line of the progress display; default: the collection's display name. */
  readonly task?: string
  readonly progress?: Progress
  readonly signal?: AbortSignal | undefined
  /** Requests in flight; default 4. */
  readonly concurrency?: number | undefined
}

/** Of one answer of the server; times those in flight. */
const PIECE_BYTES = 4 * 1024 * 1024
const IN_FLIGHT = 4

/**
 * Compares every record of a collection, field by field, and finds the records that are only in one of the
 * copies. Memory is bounded: some answers in flight, and a filter of at most 32 MiB for the ids.
 *
 * Figures are exact for a collection that nobody writes to meanwhile.
 */
export async function compareCollection(job: CompareJob): Promise<Comparison> {
  const { expected, actual, signal, progress = silentProgress } = job
  const task = job.task ?? displayName(expected.definition)
  const comparer = new Comparer(job.space, expected.expectedRecords)
  let bytes = 0
  const update = (state?: 'done' | 'failed') =>
    progress.update({
      task,
      phase: 'compare',
      done: comparer.records,
      total: Math.max(expected.expectedRecords, comparer.records),
      unit: 'records',
      bytes,
      ...(state && { state }),
    })
  try {
    const pairs = mapInOrder(
      pieces(expected, signal),
      job.concurrency ?? IN_FLIGHT,
      async (piece, workSignal) => ({ piece, found: await actual.fetch(piece.ids, workSignal) }),
      signal,
    )
    for await (const { piece, found } of pairs) {
      comparer.compare(piece, found)
      bytes += found.embeddings.byteLength
      update()
    }
    for await (const ids of actual.listIds(signal)) comparer.listed(ids)
    update('done')
  } catch (error) {
    update('failed')
    throw error
  }
  return comparer.result()
}

async function* pieces(reader: CollectionReader, signal?: AbortSignal): AsyncGenerator<RecordBatch> {
  for await (const batch of reader.batches(signal)) yield* piecesOf(batch, PIECE_BYTES)
}

class Comparer {
  records = 0
  readonly #space: Space
  readonly #expectedIds: IdFilter
  readonly #tolerated = { metadataFloats: 0, vectors: 0 }
  readonly #samples = new Samples()
  /** The order of the records that both copies have: as expected, and as listed. */
  readonly #expectedOrder = new OrderDigest()
  readonly #actualOrder = new OrderDigest()
  #differing = 0
  #missing = 0
  #listed = 0
  #listedUnknown = 0
  #outOfOrder = false

  constructor(space: Space, expectedRecords: number) {
    this.#space = space
    this.#expectedIds = new IdFilter(expectedRecords)
  }

  /** `found` holds the records of `actual` that have the ids of `piece`, in any order. */
  compare(piece: RecordBatch, found: RecordBatch): void {
    const rowOf = rowsById(piece, found)
    const common: string[] = []
    let last = -1
    piece.ids.forEach((id, row) => {
      this.#expectedIds.add(id)
      const foundRow = rowOf(id, row)
      if (foundRow === undefined) {
        this.#missing++
        this.#samples.add('missing', { id, field: 'record', expected: 'present', actual: 'absent' })
        return
      }
      common.push(id)
      this.#outOfOrder ||= foundRow <= last
      last = foundRow
      this.#compareRow({ batch: piece, row }, { batch: found, row: foundRow })
    })
    this.records += piece.ids.length
    this.#expectedOrder.add(common)
  }

  #compareRow(expected: Row, actual: Row): void {
    const differences = compareRecord(expected, actual, this.#space, this.#tolerated)
    if (differences.length === 0) return
    this.#differing++
    for (const difference of differences) this.#samples.add('differing', difference)
  }

  /** The ids of `actual`, all of them, after every piece was compared. */
  listed(ids: readonly string[]): void {
    const known = ids.filter((id) => this.#expectedIds.has(id))
    this.#listed += ids.length
    this.#listedUnknown += ids.length - known.length
    this.#actualOrder.add(known)
    if (known.length === ids.length) return
    for (const id of ids) {
      if (this.#samples.isFull('extra')) return
      if (this.#expectedIds.has(id)) continue
      this.#samples.add('extra', { id, field: 'record', expected: 'absent', actual: 'present' })
    }
  }

  result(): Comparison {
    const common = this.records - this.#missing
    const extra = Math.max(0, this.#listed - common)
    // Fetched, but gone by the time of the list.
    const missing = this.#missing + Math.max(0, common - this.#listed)
    // Not so when the filter took an extra id for an expected one: then the order within pieces must do.
    const exact = this.#listed - this.#listedUnknown === common
    return {
      equal: this.#differing + missing + extra === 0,
      records: this.records,
      differing: this.#differing,
      missing,
      extra,
      orderDiffers: this.#outOfOrder || (exact && this.#expectedOrder.hex() !== this.#actualOrder.hex()),
      tolerated: { ...this.#tolerated },
      samples: this.#samples.list(),
    }
  }
}

/** Finds the row of an id in `found`; free when both have the same ids in the same places, as usual. */
function rowsById(piece: RecordBatch, found: RecordBatch): (id: string, row: number) => number | undefined {
  let rows: Map<string, number> | undefined
  return (id, row) => {
    if (rows === undefined && found.ids[row] === id) return row
    rows ??= new Map(found.ids.map((foundId, at) => [foundId, at]))
    return rows.get(id)
  }
}
