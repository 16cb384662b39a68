import type { ChromaApi } from '../../chroma/api.js'
import { readByIds } from '../../chroma/read-by-ids.js'
import { ServerCollectionWriter } from '../../chroma/server-sink.js'
import { piecesOf } from '../../core/batch-rows.js'
import { GuardError } from '../../core/errors.js'
import { readAhead } from '../../core/read-ahead.js'
import { displayName, type CollectionDefinition, type RecordBatch } from '../../core/records.js'
import type { RecordMap } from '../record-map.js'
import type { WriteGuard } from '../step-journal.js'
import type { Ledger, LedgerEntry } from './ledger.js'
import { digestRows } from './record-digests.js'
import type { RecordSample } from './record-sample.js'

export interface CopyJob {
  readonly api: ChromaApi
  /** As it is called now. */
  readonly source: CollectionDefinition
  readonly target: CollectionDefinition
  readonly map: RecordMap
  readonly ledger: Ledger
  readonly sample: RecordSample
  readonly guard: WriteGuard
  readonly concurrency: number
  readonly signal: AbortSignal
  /** Called after each write, with the number of the source's records that are done. */
  readonly onCopied: (records: number, bytes: number) => Promise<void>
}

/** Records as the target shall have them. */
export interface MappedBatch {
  /** Ids of the source's records, those that the map left out too. */
  readonly ids: readonly string[]
  /** Digests of the source's records. */
  readonly source: readonly string[]
  readonly records: RecordBatch
}

/** JSON bytes of a piece, which are about 2 MiB when they are sent. */
const PIECE_BYTES = 4 * 1024 * 1024
const DELETE_AT_ONCE = 1000

/**
 * Writes what the map makes of records whose ids the target does not have. Reading, mapping and writing go on
 * at the same time; some batches are in memory.
 */
export async function copyBatches(job: CopyJob, batches: AsyncIterable<RecordBatch>): Promise<void> {
  const writer = new ServerCollectionWriter(job.api, job.target)
  for await (const { mapped, entries } of readAhead(
    withEntries(mappedBatches(job, readAhead(batches, 1))),
    1,
  )) {
    await write(job, writer, mapped.records)
    await job.ledger.add(entries)
    job.sample.offer(mapped.records)
    await job.onCopied(mapped.ids.length, mapped.records.embeddings.byteLength)
  }
  await job.ledger.flush()
}

/**
 * Copies records anew that the target may have already: they are deleted first, because Chroma would merge old
 * metadata with new. Only for a target that nobody reads yet.
 */
export async function copyAgain(job: CopyJob, ids: readonly string[]): Promise<void> {
  const writer = new ServerCollectionWriter(job.api, job.target)
  const batches = readByIds({ ...job, collection: job.source, vectors: true }, once(ids))
  for await (const mapped of mappedBatches(job, batches)) {
    await deleteFrom(job, mapped.ids)
    await write(job, writer, mapped.records)
    await job.ledger.add(entriesOf(mapped))
    job.sample.forget(mapped.ids)
    job.sample.offer(mapped.records)
  }
  await job.ledger.flush()
}

/** Deletes records from the target, and from what is known to be copied. */
export async function forgetRecords(job: CopyJob, ids: readonly string[]): Promise<void> {
  await deleteFrom(job, ids)
  await job.ledger.add(ids.map((id) => [id, { source: null, target: null }]))
  await job.ledger.flush()
  job.sample.forget(ids)
}

/** Rejects with a GuardError `VECTORS_LOST` when a record that is to stay has no vector. */
export async function* mappedBatches(
  job: Pick<CopyJob, 'map' | 'signal' | 'source'>,
  batches: AsyncIterable<RecordBatch>,
): AsyncGenerator<MappedBatch, void, undefined> {
  for await (const batch of batches) {
    const source = digestRows(batch)
    const records = await job.map.map(batch, job.signal)
    refuseLostVectors(job.source, records)
    yield { ids: batch.ids, source, records }
  }
}

/** Made while the server writes the batch before. */
async function* withEntries(batches: AsyncIterable<MappedBatch>) {
  for await (const mapped of batches) yield { mapped, entries: entriesOf(mapped) }
}

export function entriesOf({ ids, source, records }: MappedBatch): (readonly [string, LedgerEntry])[] {
  const digests = digestRows(records)
  const targets = new Map(records.ids.map((id, row) => [id, digests[row] ?? null]))
  return ids.map((id, row) => [id, { source: source[row] ?? null, target: targets.get(id) ?? null }])
}

async function write(
  { guard, signal }: CopyJob,
  writer: ServerCollectionWriter,
  records: RecordBatch,
): Promise<void> {
  for (const piece of piecesOf(records, PIECE_BYTES)) {
    await guard.check()
    await writer.write(piece, signal)
  }
}

async function deleteFrom({ api, target, guard, signal }: CopyJob, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += DELETE_AT_ONCE) {
    await guard.check()
    await api.deleteRecords(target, ids.slice(at, at + DELETE_AT_ONCE), signal)
  }
}

function refuseLostVectors(source: CollectionDefinition, { ids, missingEmbeddings }: RecordBatch): void {
  const [first] = missingEmbeddings
  if (first === undefined) return
  const name = displayName(source)
  throw new GuardError(
    'VECTORS_LOST',
    `${name}: the server has lost the vector of ${ids[first] ?? ''}, so the record cannot be copied`,
    { hint: 'make vectors anew with .reembed(), or leave such records out with .filter()' },
  )
}

export async function* once<T>(items: readonly T[]): AsyncGenerator<readonly T[], void, undefined> {
  if (items.length > 0) yield items
}
