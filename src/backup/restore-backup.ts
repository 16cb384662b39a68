import { serverLookup } from '../chroma/server-lookup.js'
import type { Warning } from '../core/progress.js'
import { planItems, type PlannedItem } from '../transfer/plan-items.js'
import { settleChecks } from '../transfer/refusals.js'
import type { RestoreRecordsJob } from '../transfer/restore-job.js'
import { RestoreJournal } from '../transfer/restore-journal.js'
import type {
  CollectionRestored,
  PlannedCollection,
  RestorePlan,
  RestoreSummary,
} from '../transfer/restore-plan.js'
import { restoreRecords } from '../transfer/restore-records.js'
import { surveyTargets } from '../transfer/survey-targets.js'
import type { RestoreJob } from './restore-job.js'
import { withRestoreSelection, type RestoreSelection } from './restore-selection.js'

export type { RestoreJob } from './restore-job.js'

/**
 * Restores a backup into a server: every collection into the tenant and the database that it came from,
 * which are created if they are missing. Until everything has been written and compared, no collection has
 * its name, and with `create` and `replace` those that exist are as they were. Killed at any moment and run
 * again with the same arguments, it goes on where it was.
 *
 * Rejects with a CollectionNotFoundError (10), a UsageError (2) for names that clash, a GuardError (15):
 * `RESTORE_TARGET_EXISTS`, `RESTORE_TARGET_UNFIT`, `RESTORE_PARTIAL`, a RestoreDiffersError (13), an
 * ObjectDamagedError (13), an error of the store or of the server, or an AbortedError.
 */
export async function restoreBackup(job: RestoreJob): Promise<RestoreSummary> {
  return withRestoreSelection(job, (selection) => restoreSelection(job, selection))
}

async function restoreSelection(job: RestoreJob, selection: RestoreSelection): Promise<RestoreSummary> {
  const started = job.now().getTime()
  for (const warning of selection.warnings) job.progress.warn(warning)
  const collections = await restoreRecords(recordsJob(job, selection))
  return {
    backup: job.head.id,
    url: job.api.transport.displayUrl,
    mode: job.mode,
    collections,
    records: sum(collections, ({ records }) => records),
    written: sum(collections, ({ written }) => written),
    bytes: sum(selection.items, ({ bytes }) => bytes),
    durationMs: job.now().getTime() - started,
    equal: equalOf(collections),
    warnings: selection.warnings,
    erased: selection.erased,
    exitCode: selection.warnings.length > 0 ? 3 : 0,
  }
}

/** What {@link restoreBackup} would do with the same job. Reads, and writes nothing. */
export async function planRestore(job: RestoreJob): Promise<RestorePlan> {
  return withRestoreSelection(job, (selection) => planSelection(job, selection))
}

async function planSelection(job: RestoreJob, selection: RestoreSelection): Promise<RestorePlan> {
  const { api, signal } = job
  const records = recordsJob(job, selection)
  const survey = await surveyTargets(
    api,
    selection.items.map(({ target }) => target),
    signal,
  )
  const journal = await RestoreJournal.open(records.stateDir, job.head.id)
  const planned = await settleChecks(records, planItems(records, survey, journal))
  const collections: PlannedCollection[] = []
  for (const item of planned) collections.push(await describe(job, item))
  return {
    backup: job.head.id,
    url: api.transport.displayUrl,
    mode: job.mode,
    collections,
    createTenants: survey.missingTenants,
    createDatabases: survey.missingDatabases.map(({ tenant, database }) => `${tenant}/${database}`),
    records: sum(collections, (collection) => collection.records),
    bytes: sum(collections, (collection) => collection.bytes),
    refusals: planned.flatMap(({ refusal }): readonly Warning[] => (refusal === null ? [] : [refusal])),
    warnings: selection.warnings,
    erased: selection.erased,
  }
}

function recordsJob(job: RestoreJob, { source, items }: RestoreSelection): RestoreRecordsJob {
  return {
    origin: { source, id: job.head.id },
    items,
    api: job.api,
    mode: job.mode,
    dropOld: job.dropOld ?? false,
    compare: job.compare ?? true,
    stateDir: job.stateDir ?? null,
    concurrency: job.concurrency,
    progress: job.progress,
    signal: job.signal,
  }
}

async function describe({ api, signal }: RestoreJob, planned: PlannedItem): Promise<PlannedCollection> {
  const { item, action, begun, existing } = planned
  const { tenant, database, name } = item.definition
  return {
    source: { tenant, database, name },
    target: item.target,
    action: action === 'check' ? 'refuse' : action,
    resumes: begun !== null,
    records: item.records,
    bytes: item.bytes,
    existingRecords: existing === null ? null : await serverLookup(api, existing).count(signal),
  }
}

/** Null when nothing was compared. */
function equalOf(collections: readonly CollectionRestored[]): boolean | null {
  const compared = collections.flatMap(({ comparison }) => comparison ?? [])
  return compared.length === 0 ? null : compared.every(({ equal }) => equal)
}

function sum<T>(items: readonly T[], figure: (item: T) => number): number {
  return items.reduce((total, item) => total + figure(item), 0)
}
