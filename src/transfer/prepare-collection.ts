import { serverLookup } from '../chroma/server-lookup.js'
import { spaceOf } from '../chroma/space.js'
import type { Warning } from '../core/progress.js'
import type { CollectionDefinition } from '../core/records.js'
import { buildShadow, rebuildShadow, type BuildJob, type BuiltShadow } from './build-shadow.js'
import { dropCollection } from './commit-shadow.js'
import { compareCollection } from './compare.js'
import type { Comparison } from './comparison.js'
import { RestoreDiffersError } from './errors.js'
import { addMissing, overwriteRecords, type Filled } from './fill-collection.js'
import { foreignListsWarning, removeForeignLists } from './foreign-lists.js'
import type { PlannedItem } from './plan-items.js'
import type { RestoreRecordsJob } from './restore-job.js'
import type { RestoreJournal } from './restore-journal.js'
import { SourceRecords } from './source-records.js'

/** A collection whose records are all on the server, under a temporary name or, when it was filled, its own. */
export interface PreparedCollection {
  readonly planned: PlannedItem
  readonly collection: CollectionDefinition
  readonly records: number
  readonly written: number
  readonly deleted: number
  readonly withoutVector: number
  readonly comparison: Comparison | null
  readonly warnings: BuiltShadow['warnings']
}

/** Lets one collection after the other be written. */
export type WriteTurn = <T>(write: () => Promise<T>) => Promise<T>

export type Prepare = (
  job: RestoreRecordsJob,
  planned: PlannedItem,
  journal: RestoreJournal,
  inTurn: WriteTurn,
) => Promise<PreparedCollection>

/** Rejects with {@link RestoreDiffersError} when the result is not what it must be. */
export async function prepareCollection(
  job: RestoreRecordsJob,
  planned: PlannedItem,
  journal: RestoreJournal,
  inTurn: WriteTurn,
): Promise<PreparedCollection> {
  const { existing, action, item } = planned
  if (existing !== null && action === 'already-restored')
    return { ...UNTOUCHED, planned, collection: existing, records: item.records }
  if (existing !== null && (action === 'add-missing' || action === 'overwrite'))
    return prepareFilled(job, planned, existing, inTurn)
  return prepareShadow(job, planned, journal, inTurn)
}

const UNTOUCHED = { written: 0, deleted: 0, withoutVector: 0, comparison: null, warnings: [] }

async function prepareShadow(
  job: RestoreRecordsJob,
  planned: PlannedItem,
  journal: RestoreJournal,
  inTurn: WriteTurn,
): Promise<PreparedCollection> {
  const { item, shadow: identity, begun } = planned
  const build: BuildJob = {
    ...job,
    source: job.origin.source,
    definition: item.definition,
    identity,
    begun,
    onCollection: (id) => journal.record(item.target, id),
  }
  let built = await inTurn(() => buildShadow(build))
  let { comparison, warnings } = await compareClean(job, planned, built.collection, inTurn)
  if (built.resumed && comparison !== null && !isExact(comparison)) {
    // Somebody has touched what the earlier run had written.
    const damaged = built.collection
    built = await inTurn(async () => {
      await dropCollection(job.api, damaged, job.signal)
      return rebuildShadow(build)
    })
    ;({ comparison, warnings } = await compareClean(job, planned, built.collection, inTurn))
  }
  if (comparison !== null && !isExact(comparison))
    throw new RestoreDiffersError(item.target, comparison, {
      hint: `look at ${identity.address.name}, which holds what was restored, then run the restore again, or with --no-compare to accept it`,
    })
  return { ...built, planned, deleted: 0, comparison, warnings: [...built.warnings, ...warnings] }
}

async function prepareFilled(
  job: RestoreRecordsJob,
  planned: PlannedItem,
  existing: CollectionDefinition,
  inTurn: WriteTurn,
): Promise<PreparedCollection> {
  const fill = { ...job, source: job.origin.source, definition: planned.item.definition, existing }
  const overwrite = planned.action === 'overwrite'
  const filled: Filled = await inTurn(() => (overwrite ? overwriteRecords(fill) : addMissing(fill)))
  const { comparison, warnings } = overwrite
    ? await compareClean(job, planned, existing, inTurn)
    : { comparison: await compareWith(job, planned, existing), warnings: [] }
  // With `missing`, records that were there may differ from the source's: that is what was asked for.
  if (comparison !== null && (overwrite ? !comparison.equal : comparison.missing > 0))
    throw new RestoreDiffersError(planned.item.target, comparison, {
      hint: 'stop those who write to it, and run the same restore again',
    })
  return { ...filled, planned, collection: existing, comparison, warnings }
}

/** Compares; where records differ, first removes what Chroma has added to them, and compares again. */
async function compareClean(
  job: RestoreRecordsJob,
  planned: PlannedItem,
  collection: CollectionDefinition,
  inTurn: WriteTurn,
): Promise<{ readonly comparison: Comparison | null; readonly warnings: readonly Warning[] }> {
  const comparison = await compareWith(job, planned, collection)
  if (comparison === null || comparison.differing === 0) return { comparison, warnings: [] }
  const { api, origin, signal } = job
  const expected = await SourceRecords.open(origin.source, planned.item.definition, signal)
  const removed = await inTurn(() => removeForeignLists({ api, expected, collection, signal }))
  if (removed === 0) return { comparison, warnings: [] }
  return {
    comparison: await compareWith(job, planned, collection),
    warnings: [foreignListsWarning(planned.item.target, removed)],
  }
}

async function compareWith(
  { compare, origin, api, concurrency, progress, signal }: RestoreRecordsJob,
  { item }: PlannedItem,
  collection: CollectionDefinition,
): Promise<Comparison | null> {
  if (!compare) return null
  const expected = await SourceRecords.open(origin.source, item.definition, signal)
  return compareCollection({
    expected,
    actual: serverLookup(api, collection),
    space: spaceOf(item.definition),
    task: `${item.target.tenant}/${item.target.database}/${item.target.name}`,
    concurrency,
    progress,
    signal,
  })
}

function isExact({ equal, orderDiffers }: Comparison): boolean {
  return equal && !orderDiffers
}
