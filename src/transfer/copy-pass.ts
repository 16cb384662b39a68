import type { ChromaApi } from '../chroma/api.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { spaceOf } from '../chroma/space.js'
import { piecesOf } from '../core/batch-rows.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { Progress, ProgressEvent } from '../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionReader,
  type ReadConsistency,
  type RecordBatch,
  type RecordSource,
} from '../core/records.js'
import { MAX_SAMPLES, type Difference, type Tolerated } from './comparison.js'
import { IdFilter } from './id-filter.js'
import { OrderDigest } from './order-digest.js'
import type { WriteTurn } from './prepare-collection.js'
import { TargetWriter, type PieceDifference } from './target-writer.js'

export interface CopyPassJob {
  readonly source: RecordSource
  readonly definition: CollectionDefinition
  /** The target. */
  readonly api: ChromaApi
  readonly collection: CollectionDefinition
  /** For the progress display. */
  readonly phase: ProgressEvent['phase']
  /** Counts from 1. */
  readonly number: number
  /** False: finds, and writes nothing. */
  readonly apply: boolean
  /** Writes over what differs. */
  readonly change: boolean
  /** Deletes what the source does not have. */
  readonly remove: boolean
  readonly inTurn: WriteTurn
  /** Sees every batch of the source. */
  readonly onBatch?: (batch: RecordBatch) => void
  readonly concurrency: number | undefined
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

/** What one pass has found; what it was to write is written, and was read back. */
export interface CopyPassResult {
  /** Of the source, with a vector. */
  readonly records: number
  readonly missing: number
  readonly differing: number
  /** Only in the target; still there unless they were to be removed. */
  readonly extra: number
  readonly removed: number
  readonly withoutVector: number
  readonly orderDiffers: boolean
  readonly tolerated: Tolerated
  readonly samples: readonly Difference[]
  readonly consistency: ReadConsistency
}

const PIECE_BYTES = 4 * 1024 * 1024
const IN_FLIGHT = 4
/** Ids that are kept before they are deleted together. */
const MAX_KEPT = 100_000

/**
 * Reads a collection from end to end, compares every record with the target's, and makes the target equal.
 * What is written is read back and compared with what was read, so that it is proven even where others write to
 * the source. Memory is bounded: some answers in flight, and a filter of at most 32 MiB for the ids.
 *
 * Rejects with a CopyDiffersError, or what reading and writing reject with.
 */
export async function copyPass(job: CopyPassJob): Promise<CopyPassResult> {
  const { signal, apply } = job
  const reader = await job.source.openCollection(job.definition, signal)
  const pass = new Pass(job, reader)
  try {
    await pass.compareAll()
    await pass.compareIds()
    if (apply && job.remove && pass.hasExtra) await pass.removeExtra()
    pass.update('done')
  } catch (error) {
    pass.update('failed')
    throw error
  }
  return pass.result(reader.consistency())
}

class Pass {
  readonly #job: CopyPassJob
  readonly #reader: CollectionReader
  readonly #writer: TargetWriter
  readonly #ids: IdFilter
  readonly #tolerated = { metadataFloats: 0, vectors: 0 }
  readonly #samples: Difference[] = []
  readonly #expectedOrder = new OrderDigest()
  #actualOrder = ''
  #records = 0
  #missing = 0
  #differing = 0
  #withoutVector = 0
  /** Ids of the source that the target has, also without a vector. */
  #common = 0
  #listed = 0
  #unknown = 0
  #removed = 0
  #bytes = 0

  constructor(job: CopyPassJob, reader: CollectionReader) {
    this.#job = job
    this.#reader = reader
    this.#writer = new TargetWriter(job.api, job.collection, spaceOf(job.definition))
    // Another one in each pass: an extra id that this one takes for a known one falls to the next.
    this.#ids = new IdFilter(reader.expectedRecords, job.number)
  }

  get hasExtra(): boolean {
    return this.#unknown > 0
  }

  async compareAll(): Promise<void> {
    const { signal, concurrency } = this.#job
    const compared = mapInOrder(
      this.#pieces(),
      concurrency ?? IN_FLIGHT,
      (piece, workSignal) => this.#writer.compare(piece, this.#tolerated, workSignal),
      signal,
    )
    this.update()
    for await (const difference of compared) {
      await this.#settle(difference, difference.found)
      this.update()
    }
  }

  async *#pieces(): AsyncGenerator<RecordBatch, void, undefined> {
    for await (const batch of this.#reader.batches(this.#job.signal)) {
      this.#job.onBatch?.(batch)
      yield* piecesOf(batch, PIECE_BYTES)
    }
  }

  async #settle(difference: PieceDifference, found: readonly string[]): Promise<void> {
    const { apply, change, signal, inTurn } = this.#job
    const { piece, missing, differing } = difference
    for (const id of piece.ids) this.#ids.add(id)
    for (const { differences } of differing) this.#sample(differences)
    this.#sample(missing.flatMap((row) => absent(piece.ids[row])))
    if (apply) {
      const wanted = change ? difference : { ...difference, differing: [] }
      if (wanted.missing.length + wanted.differing.length > 0)
        await inTurn(() => this.#writer.bring(wanted, signal))
    }
    this.#records += piece.ids.length - piece.missingEmbeddings.length
    this.#withoutVector += piece.missingEmbeddings.length
    this.#missing += missing.length
    this.#differing += differing.length
    this.#bytes += piece.embeddings.byteLength
    const there = new Set(found)
    if (apply) for (const row of missing) there.add(piece.ids[row] ?? '')
    const common = piece.ids.filter((id) => there.has(id))
    this.#common += common.length
    this.#expectedOrder.add(common)
  }

  /** Lists the target: what it has more, and in which order. */
  async compareIds(): Promise<void> {
    const order = new OrderDigest()
    this.#listed = 0
    this.#unknown = 0
    for await (const ids of this.#lookup().listIds(this.#job.signal)) {
      const known = ids.filter((id) => this.#ids.has(id))
      order.add(known)
      this.#listed += ids.length
      this.#unknown += ids.length - known.length
      if (known.length < ids.length && this.#samples.length < MAX_SAMPLES)
        this.#sample(ids.filter((id) => !this.#ids.has(id)).flatMap(present))
    }
    this.#actualOrder = order.hex()
  }

  async removeExtra(): Promise<void> {
    const { api, collection, signal, inTurn } = this.#job
    for (;;) {
      const extra = await this.#extraIds()
      // Gathered first: deleting disturbs the list.
      await inTurn(() => api.deleteRecords(collection, extra, signal))
      this.#removed += extra.length
      if (extra.length < MAX_KEPT) break
    }
    await this.compareIds()
  }

  async #extraIds(): Promise<readonly string[]> {
    const extra: string[] = []
    for await (const ids of this.#lookup().listIds(this.#job.signal)) {
      for (const id of ids) if (!this.#ids.has(id) && extra.length < MAX_KEPT) extra.push(id)
      if (extra.length === MAX_KEPT) break
    }
    return extra
  }

  #lookup() {
    return serverLookup(this.#job.api, this.#job.collection)
  }

  #sample(differences: readonly Difference[]): void {
    this.#samples.push(...differences.slice(0, MAX_SAMPLES - this.#samples.length))
  }

  update(state?: 'done' | 'failed'): void {
    const done = this.#records + this.#withoutVector
    this.#job.progress.update({
      task: displayName(this.#job.collection),
      phase: this.#job.phase,
      done,
      total: Math.max(this.#reader.expectedRecords, done),
      unit: 'records',
      bytes: this.#bytes,
      ...(state && { state }),
    })
  }

  result(consistency: ReadConsistency): CopyPassResult {
    const extra = Math.max(0, this.#listed - this.#common)
    // Not so when the filter took an extra id for one of the source: then the order is not known.
    const exact = this.#listed - this.#unknown === this.#common
    return {
      records: this.#records,
      missing: this.#missing,
      differing: this.#differing,
      extra,
      removed: this.#removed,
      withoutVector: this.#withoutVector,
      orderDiffers: exact && this.#expectedOrder.hex() !== this.#actualOrder,
      tolerated: { ...this.#tolerated },
      samples: this.#samples,
      consistency,
    }
  }
}

function absent(id: string | undefined): readonly Difference[] {
  return id === undefined ? [] : [{ id, field: 'record', expected: 'present', actual: 'absent' }]
}

function present(id: string): readonly Difference[] {
  return [{ id, field: 'record', expected: 'absent', actual: 'present' }]
}
