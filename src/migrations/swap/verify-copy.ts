import { readByIds } from '../../chroma/read-by-ids.js'
import { spaceOf } from '../../chroma/space.js'
import { pickRows } from '../../core/batch-rows.js'
import { concatBatches } from '../../core/concat-batches.js'
import { GuardError } from '../../core/errors.js'
import { isOrAre, plural } from '../../core/plural.js'
import type { CollectionDefinition, RecordBatch, Space } from '../../core/records.js'
import { findById } from '../../transfer/commit-shadow.js'
import { compareRecord } from '../../transfer/compare-record.js'
import type { VerifyOptions } from '../collection-operations.js'
import { differences } from './catch-up.js'
import { chooseIds } from './choose-ids.js'
import { entriesOf, mappedBatches, once, type CopyJob, type MappedBatch } from './copy-records.js'
import { SwapVerificationError } from './errors.js'
import { removeForeignLists } from './foreign-lists.js'
import { entriesFor } from './ledger.js'
import { countLostToQueries, measureRecall } from './measure-recall.js'
import { digestRows, sameRecord } from './record-digests.js'

export interface VerifyJob extends CopyJob {
  readonly space: Space
  readonly options: VerifyOptions
  readonly tempDir: string
  readonly onRead: (records: number) => void
}

/** More records that only seem to differ are not looked at one by one. */
const MOST_DOUBTFUL = 1000
const OWN_QUERIES = 100
/** An index is approximate: so many records may be missed by a query with their own vector. */
const LOST_SHARE = 0.05
const DEFAULT_RECALL = { queries: 100, k: 10 } as const

/**
 * Proves that the target holds what was written to it: its space and dimension, the count, every id and payload,
 * the vectors of a sample, that records find themselves, and, when asked for, that queries find what they
 * found before. Rejects with a {@link SwapVerificationError} or a GuardError `RECALL_TOO_LOW`.
 */
export async function verifyCopy(job: VerifyJob): Promise<void> {
  const target = await reread(job)
  const records = await verifyPayload(job)
  const { api, signal } = job
  const counted = await api.count(target, signal)
  if (counted !== records) fail(job, `it counts ${plural(counted, 'record')} instead of ${records}`)
  await fillSample(job)
  await verifySample(job)
  await verifyQueries(job, target)
}

async function reread(job: VerifyJob): Promise<CollectionDefinition> {
  const { api, target, space, signal } = job
  const found = await findById(api, target, target.id, signal)
  if (found === undefined) return fail(job, 'it is gone')
  if (spaceOf(found) !== space) fail(job, `it measures ${spaceOf(found)} instead of ${space}`)
  return found
}

/** Returns how many records there are. */
async function verifyPayload(job: VerifyJob): Promise<number> {
  const { target, ledger } = job
  let records = 0
  const read = differences({ ...job, collection: target, ledger, side: 'target', vectors: false })
  for await (const { added, changed, gone, records: count } of read) {
    if (gone.length > 0)
      fail(job, `${plural(gone.length, 'record')} ${isOrAre(gone.length)} missing, such as ${gone[0] ?? ''}`)
    if (added.length > 0)
      fail(job, `${plural(added.length, 'record')} should not be there, such as ${added[0] ?? ''}`)
    const mended = await withoutForeignLists(job, changed)
    const doubtful = changed.filter((id) => !mended.has(id))
    if (doubtful.length > MOST_DOUBTFUL)
      fail(
        job,
        `${plural(doubtful.length, 'record')} ${doubtful.length === 1 ? 'differs' : 'differ'}, such as ${doubtful[0] ?? ''}`,
      )
    await verifyDoubtful(job, doubtful)
    records += count
  }
  return records
}

async function withoutForeignLists(job: VerifyJob, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set()
  const known = await entriesFor(job.ledger, new Set(ids))
  const written = (id: string) => known.get(id)?.target ?? null
  return removeForeignLists({ ...job, collection: job.target, written }, ids)
}

/** Digests of doubles are rounded, and may differ although the values are within what Chroma shifts. */
async function verifyDoubtful(job: VerifyJob, ids: readonly string[]): Promise<void> {
  const sources = readByIds({ ...job, collection: job.source, vectors: true }, once(ids))
  for await (const mapped of mappedBatches(job, sources)) {
    const { ids: unchanged, records } = await unchangedOf(job, mapped)
    const found = await fetchTarget(job, records.ids)
    compareRows(job, records, found, { vectors: !job.map.newVectors })
    const digests = new Map(digestRows(found).map((digest, row) => [found.ids[row], digest]))
    const entries = entriesOf(mapped).filter(([id]) => unchanged.has(id))
    await job.ledger.add(
      entries.map(([id, entry]) => [id, { ...entry, target: digests.get(id) ?? entry.target }]),
    )
  }
  await job.ledger.flush()
}

/** What an earlier run has written is in no sample; where vectors are not made anew they can be looked up. */
async function fillSample(job: VerifyJob): Promise<void> {
  if (job.sample.isFull || job.map.newVectors) return
  const known = new Set(job.sample.ids)
  const wanted = (await chooseIds(job.ledger, job.options.sample ?? DEFAULT_SAMPLE)).filter(
    (id) => !known.has(id),
  )
  const sources = readByIds({ ...job, collection: job.source, vectors: true }, once(wanted))
  for await (const mapped of mappedBatches(job, sources))
    job.sample.offer((await unchangedOf(job, mapped)).records)
}

export const DEFAULT_SAMPLE = 500

/** Of records that were read again: those that are in the source as they were when they were copied. */
async function unchangedOf(
  { ledger }: VerifyJob,
  { ids, source, records }: MappedBatch,
): Promise<{ readonly ids: ReadonlySet<string>; readonly records: RecordBatch }> {
  const now = new Map(ids.map((id, row) => [id, source[row] ?? '']))
  const unchanged = new Set<string>()
  for (let part = 0; part < ledger.parts; part++) {
    const known = await ledger.read(part)
    for (const [id, digest] of now) if (sameRecord(known.get(id)?.source ?? '', digest)) unchanged.add(id)
  }
  const rows = records.ids.flatMap((id, row) => (unchanged.has(id) ? [row] : []))
  return { ids: unchanged, records: pickRows(records, rows) }
}

async function verifySample(job: VerifyJob): Promise<void> {
  const expected = job.sample.batch()
  if (expected.ids.length > 0)
    compareRows(job, expected, await fetchTarget(job, expected.ids), { vectors: true })
}

async function verifyQueries(job: VerifyJob, target: CollectionDefinition): Promise<void> {
  const { api, source, signal, options, space, ledger } = job
  const queried = Math.min(OWN_QUERIES, options.sample ?? DEFAULT_SAMPLE)
  const own = await fetchTarget(job, await chooseIds(ledger, queried))
  const lost = await countLostToQueries({ api, target, signal }, space, own)
  if (lost > LOST_SHARE * own.ids.length)
    fail(
      job,
      `${lost} of ${plural(own.ids.length, 'record')} ${isOrAre(lost)} not found by a query with their own vector`,
    )
  if (options.recall === undefined) return
  const { queries, k: neighbours, min } = { ...DEFAULT_RECALL, ...options.recall }
  const ids = await chooseIds(ledger, queries)
  const old = await collect(readByIds({ ...job, collection: source, vectors: true }, once(ids)))
  const recall = await measureRecall(
    { api, source, target, neighbours, signal },
    old,
    await fetchTarget(job, ids),
  )
  if (recall === null || recall >= min) return
  throw new GuardError(
    'RECALL_TOO_LOW',
    `${source.name}: queries of the copy find ${(100 * recall).toFixed(1)} % of what they found before, less than the ${(100 * min).toFixed(1)} % that verify.recall asks for; the collection is as it was, the copy is ${target.name}`,
    {
      hint: 'look at the copy, then run: chroma-ops migrate abort; or lower verify.recall.min and run: chroma-ops migrate resume',
    },
  )
}

function compareRows(
  job: VerifyJob,
  expected: RecordBatch,
  actual: RecordBatch,
  { vectors }: { readonly vectors: boolean },
): void {
  const rows = new Map(actual.ids.map((id, row) => [id, row]))
  expected.ids.forEach((id, row) => {
    const found = rows.get(id)
    if (found === undefined) fail(job, `${id} is missing`)
    const tolerated = { metadataFloats: 0, vectors: 0 }
    const pair = [
      { batch: expected, row },
      { batch: actual, row: found },
    ] as const
    const [difference] = compareRecord(...pair, job.space, tolerated).filter(
      ({ field }) => vectors || field !== 'vector',
    )
    if (difference !== undefined)
      fail(job, `${id}: ${difference.field} is ${difference.actual} instead of ${difference.expected}`)
  })
}

async function fetchTarget(job: VerifyJob, ids: readonly string[]): Promise<RecordBatch> {
  return collect(readByIds({ ...job, collection: job.target, vectors: true }, once(ids)))
}

async function collect(batches: AsyncIterable<RecordBatch>): Promise<RecordBatch> {
  const all: RecordBatch[] = []
  for await (const batch of batches) all.push(batch)
  return concatBatches(all)
}

function fail(job: VerifyJob, difference: string): never {
  throw new SwapVerificationError(job.source, job.target, difference)
}
