import pLimit from 'p-limit'

import { mapInOrder } from '../core/map-in-order.js'
import { withOverallProgress } from '../core/overall-progress.js'
import type { Progress } from '../core/progress.js'
import { displayName } from '../core/records.js'
import { finishCollection } from './finish-collection.js'
import { planItems, type PlannedItem } from './plan-items.js'
import { prepareCollection, type Prepare } from './prepare-collection.js'
import { refuseAll, settleChecks } from './refusals.js'
import type { RestoreRecordsJob } from './restore-job.js'
import { RestoreJournal } from './restore-journal.js'
import type { CollectionRestored } from './restore-plan.js'
import { createMissing, surveyTargets, type TargetSurvey } from './survey-targets.js'

/** Collections under way: one is written while another is compared. */
const IN_FLIGHT = 2

/**
 * Restores collections into a server. First every target is checked, then every collection is built under a
 * temporary name and compared with its source, and only then do they get their names, one after the other.
 * A run that was killed is continued by the next one with the same origin and targets.
 */
export async function restoreRecords(job: RestoreRecordsJob): Promise<readonly CollectionRestored[]> {
  const { items, signal } = job
  const survey = await surveyTargets(
    job.api,
    items.map(({ target }) => target),
    signal,
  )
  const journal = await RestoreJournal.open(job.stateDir, job.origin.id)
  const planned = await settleChecks(job, planItems(job, survey, journal))
  refuseAll(planned)
  return carryOut({ job, planned, survey, journal, prepare: prepareCollection })
}

export interface PlannedWork {
  readonly job: RestoreRecordsJob
  /** Without one that is refused. */
  readonly planned: readonly PlannedItem[]
  readonly survey: TargetSurvey
  readonly journal: RestoreJournal
  /** Brings the records of one collection to the server. */
  readonly prepare: Prepare
}

/** Prepares all collections, and then gives them their names. */
export async function carryOut(work: PlannedWork): Promise<readonly CollectionRestored[]> {
  const { job, survey, journal } = work
  const { api, signal } = job
  api.transport.useBatchRetries()
  await createMissing(api, survey, signal)
  const begun = new Set<PlannedItem>()
  try {
    const restored = await buildAndFinish(work, begun)
    await journal.clear()
    return restored
  } catch (error) {
    warnOfUnfinished(job, begun)
    throw error
  }
}

/** `begun` holds what has a collection under a temporary name, perhaps. */
async function buildAndFinish(
  { job, planned, journal, prepare }: PlannedWork,
  begun: Set<PlannedItem>,
): Promise<readonly CollectionRestored[]> {
  const { signal } = job
  const writing = pLimit(1)
  const prepareAll = async (progress: Progress) => {
    const prepared = mapInOrder(
      each(planned),
      IN_FLIGHT,
      (item, workSignal) => {
        if (item.action === 'create' || item.action === 'replace') begun.add(item)
        const own = { ...job, progress, signal: workSignal }
        return prepare(own, item, journal, (write) => writing(write))
      },
      signal,
    )
    const ready = []
    for await (const collection of prepared) ready.push(collection)
    return ready
  }
  const ready = await withOverall(job.progress, planned, prepareAll)
  const restored: CollectionRestored[] = []
  for (const collection of ready) {
    restored.push(await finishCollection(job, collection))
    begun.delete(collection.planned)
  }
  return restored
}

/** One line for all collections, if there are several to write. */
async function withOverall<T>(
  progress: Progress,
  planned: readonly PlannedItem[],
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const written = planned.filter(({ action }) => action !== 'already-restored')
  if (written.length < 2) return work(progress)
  const total = written.reduce((sum, { item }) => sum + item.records, 0)
  return withOverallProgress(progress, { task: 'all', phase: 'write', unit: 'records', total }, work)
}

/** At 3 a.m. nobody should have to guess what a restore that failed has left. */
function warnOfUnfinished({ progress }: RestoreRecordsJob, begun: ReadonlySet<PlannedItem>): void {
  if (begun.size === 0) return
  const names = [...begun].map(({ shadow }) => displayName(shadow.address))
  progress.warn({
    code: 'RESTORE_UNFINISHED',
    message: `left on the server under temporary names: ${names.join(', ')}; the same command continues them, or delete them to give it up`,
  })
}

async function* each(planned: readonly PlannedItem[]): AsyncGenerator<PlannedItem, void, undefined> {
  yield* planned
}
