import type { ChromaApi } from '../chroma/api.js'
import { serverLookup } from '../chroma/server-lookup.js'
import { ServerCollectionWriter } from '../chroma/server-sink.js'
import { spaceOf } from '../chroma/space.js'
import { pickRows, piecesOf } from '../core/batch-rows.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { Progress } from '../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type RecordBatch,
  type RecordSource,
} from '../core/records.js'
import { compareRecord } from './compare-record.js'
import { deleteExtra } from './delete-extra.js'
import { SourceRecords } from './source-records.js'

export interface FillJob {
  readonly api: ChromaApi
  readonly source: RecordSource
  readonly definition: CollectionDefinition
  /** The collection that the records go to, as it is on the server. */
  readonly existing: CollectionDefinition
  /** Reads under way at once; default 3. */
  readonly concurrency?: number | undefined
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

export interface Filled {
  readonly records: number
  readonly written: number
  readonly deleted: number
  readonly withoutVector: number
  readonly bytes: number
}

const PIECE_BYTES = 4 * 1024 * 1024
const IN_FLIGHT = 3

/** Adds the records whose ids the collection does not have; leaves all others as they are. */
export async function addMissing(job: FillJob): Promise<Filled> {
  const { api, existing } = job
  return fill(job, async (piece, signal) => {
    const there = new Set((await api.get(existing, { ids: piece.ids, include: [] }, signal)).ids)
    return { write: rowsWhere(piece, (id) => !there.has(id)), replace: [] }
  })
}

/**
 * Makes the records of the collection equal to the source's: adds, replaces those that differ, deletes those
 * that the source does not have. A record that is replaced is deleted and added again, because Chroma would
 * merge old metadata with new, and so it moves to the end.
 */
export async function overwriteRecords(job: FillJob): Promise<Filled> {
  const { definition, existing } = job
  const lookup = serverLookup(job.api, existing)
  const filled = await fill(job, async (piece, signal) => {
    const found = await lookup.fetch(piece.ids, signal)
    const rows = new Map(found.ids.map((id, row) => [id, row]))
    const differing = (id: string, row: number) => {
      const foundRow = rows.get(id)
      if (foundRow === undefined) return false
      const tolerated = { metadataFloats: 0, vectors: 0 }
      const pair = [
        { batch: piece, row },
        { batch: found, row: foundRow },
      ] as const
      return compareRecord(...pair, spaceOf(definition), tolerated).length > 0
    }
    const replace = rowsWhere(piece, differing)
    const replaced = new Set(replace)
    return {
      write: rowsWhere(piece, (id, row) => !rows.has(id) || replaced.has(row)),
      replace: replace.flatMap((row) => piece.ids[row] ?? []),
    }
  })
  const extra = await deleteExtra({ ...job, lookup, expected: filled.records })
  return { ...filled, deleted: filled.deleted + extra }
}

/** What to do with one piece: ids to delete first, rows to write. */
interface Decision {
  readonly replace: readonly string[]
  readonly write: readonly number[]
}

async function fill(
  job: FillJob,
  decide: (piece: RecordBatch, signal: AbortSignal) => Promise<Decision>,
): Promise<Filled> {
  const { api, existing, signal, progress } = job
  const source = await SourceRecords.open(job.source, job.definition, signal)
  const writer = new ServerCollectionWriter(api, existing)
  const task = displayName(existing)
  const total = source.expectedRecords
  let [records, written, deleted, bytes] = [0, 0, 0, 0]
  const decided = mapInOrder(
    pieces(source, signal),
    job.concurrency ?? IN_FLIGHT,
    async (piece, workSignal) => ({ piece, ...(await decide(piece, workSignal)) }),
    signal,
  )
  for await (const { piece, write, replace } of decided) {
    if (replace.length > 0) await api.deleteRecords(existing, replace, signal)
    if (write.length > 0) await writer.write(pickRows(piece, write), signal)
    records += piece.ids.length
    written += write.length
    deleted += replace.length
    bytes += write.length * piece.dimension * Float32Array.BYTES_PER_ELEMENT
    progress.update({ task, phase: 'write', done: records, total, unit: 'records', bytes })
  }
  progress.update({ task, phase: 'write', done: records, total, unit: 'records', bytes, state: 'done' })
  return { records, written, deleted, withoutVector: source.withoutVector, bytes }
}

async function* pieces(source: SourceRecords, signal: AbortSignal | undefined): AsyncGenerator<RecordBatch> {
  for await (const batch of source.batches(signal)) yield* piecesOf(batch, PIECE_BYTES)
}

function rowsWhere(piece: RecordBatch, holds: (id: string, row: number) => boolean): readonly number[] {
  return piece.ids.flatMap((id, row) => (holds(id, row) ? [row] : []))
}
