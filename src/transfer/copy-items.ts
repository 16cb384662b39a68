import { serverLookup } from '../chroma/server-lookup.js'
import { GuardError, UsageError } from '../core/errors.js'
import { displayName } from '../core/records.js'
import { namesText, TargetExistsError } from './errors.js'
import type { CopyJob } from './copy-job.js'
import type { CopyAction } from './copy-summary.js'
import { planItems, type PlannedItem } from './plan-items.js'
import { refuseAll, settleChecks } from './refusals.js'
import type { RestoreRecordsJob } from './restore-job.js'
import { RestoreJournal } from './restore-journal.js'
import { nameProblem } from './shadow-name.js'
import { surveyTargets, type TargetSurvey } from './survey-targets.js'

/** What a copy is going to do, as the shared engine takes it. */
export interface PlannedCopyWork {
  readonly job: RestoreRecordsJob
  readonly planned: readonly PlannedItem[]
  /** Those that an earlier run has copied, and that are brought up to date. */
  readonly synced: ReadonlySet<PlannedItem>
  readonly survey: TargetSurvey
  /** Of this copy while it is unfinished. */
  readonly journal: RestoreJournal
  /** Of finished ones: which collections were copied from which. */
  readonly copied: RestoreJournal
}

/** Decides for each collection what happens to it; what is refused has the action `refuse`. Writes nothing. */
export async function planCopyItems(copy: CopyJob, job: RestoreRecordsJob): Promise<PlannedCopyWork> {
  const { items, api, stateDir, origin, signal } = job
  // Of a shorter name, the server does not even say that there is no such database.
  for (const { target } of items) if (target.database.length < 3) refuseDatabase(target.database)
  const survey = await surveyTargets(
    api,
    items.map(({ target }) => target),
    signal,
  )
  for (const { database } of survey.missingDatabases) refuseDatabase(database)
  const journal = await RestoreJournal.open(stateDir, origin.id, 'copy')
  const copied = await RestoreJournal.open(stateDir, origin.id, 'copied')
  const base = planItems(job, survey, journal)
  const synced = new Set<PlannedItem>()
  let planned = base
  if (copy.sync === true) {
    const filled = planItems({ ...job, mode: 'overwrite' }, survey, journal)
    planned = base.map((item, at) => {
      const { existing } = item
      const fill = filled[at]
      if (existing === null || fill === undefined) return item
      // Of another space or dimension: that is what is to be told, not that it exists.
      if (fill.action !== 'overwrite') return job.mode === 'create' && fill.action === 'refuse' ? fill : item
      const isOwn = journal.has(existing.id) || copied.has(pairOf(existing.id, item.item.definition.id))
      if (isOwn && job.mode === 'create') {
        synced.add(fill)
        return fill
      }
      return job.mode === 'create' ? refuseForeign(item) : item
    })
  }
  if (copy.resume === true)
    planned = planned.map((item) =>
      item.refusal?.code === 'RESTORE_TARGET_EXISTS' ? { ...item, action: 'check', refusal: null } : item,
    )
  // What --resume has compared, and found different, is what it was before.
  const settled = (await settleChecks(job, planned)).map((item) =>
    item.action === 'refuse' && item.refusal === null ? { ...item, refusal: existsRefusal(item) } : item,
  )
  return { job, planned: settled, synced, survey, journal, copied }
}

/** Which target was copied from which source, by the ids that the servers gave them. */
export function pairOf(target: string, source: string): string {
  return `${target}:${source}`
}

/** Throws when any collection cannot be copied, before anything is written. */
export function refuseCopies(planned: readonly PlannedItem[]): void {
  const foreign = planned.flatMap(({ refusal }) => (refusal?.code === FOREIGN ? [refusal.message] : []))
  if (foreign.length === 0) {
    const refused = planned.filter(({ action }) => action === 'refuse')
    if (refused.length > 0 && refused.every(({ refusal }) => refusal?.code === 'RESTORE_TARGET_EXISTS'))
      throw new TargetExistsError(
        refused.map(({ item }) => item.target),
        { hint: EXISTS_HINT },
      )
    const unfit = planned.flatMap(({ refusal }) => (refusal?.code === UNFIT ? [refusal.message] : []))
    if (unfit.length > 0) throw new GuardError(UNFIT, namesText(unfit), { hint: UNFIT_HINT })
    refuseAll(planned)
  } else {
    throw new GuardError(FOREIGN, namesText(foreign), {
      hint: '--mode missing adds the records that it lacks, --mode overwrite makes those of the source equal',
    })
  }
}

const EXISTS_HINT =
  'bring up to date with --sync what an earlier copy has made, or choose what happens to it with --mode replace, missing or overwrite, or another name with --rename'
const FOREIGN = 'RESTORE_TARGET_FOREIGN'
const UNFIT = 'RESTORE_TARGET_UNFIT'
const UNFIT_HINT = 'choose another name with --rename, or --mode replace without --sync'

/** How the action is called in what a copy says of itself. */
export function copyActionOf(planned: PlannedItem, isSynced: boolean): CopyAction {
  const { action } = planned
  if (isSynced) return 'sync'
  if (action === 'already-restored') return 'already-copied'
  return action === 'check' ? 'refuse' : action
}

/**
 * Rejects with a {@link GuardError} `COPY_SHRINKS` (15) when records are to be deleted in a target of which the
 * source has less than half.
 */
export async function refuseShrinking(copy: CopyJob, work: PlannedCopyWork): Promise<void> {
  if (copy.allowShrink === true) return
  for (const planned of work.planned) {
    const { item, existing } = planned
    if (existing === null || !removesExtra(copy, planned)) continue
    const there = await serverLookup(copy.to, existing).count(copy.signal)
    if (item.records * 2 < there)
      throw new GuardError(
        'COPY_SHRINKS',
        `${displayName(item.target)} has ${there} records, ${displayName(item.definition)} only ${item.records}: most would be deleted`,
        { hint: '--allow-shrink deletes them' },
      )
  }
}

/** Whether records that the source does not have are deleted in an existing target. */
export function removesExtra(copy: CopyJob, { action }: PlannedItem): boolean {
  if (action !== 'overwrite') return false
  return copy.sync === true ? copy.deleteExtra === true : true
}

/** Throws a {@link UsageError} when no database can be created under this name. */
function refuseDatabase(name: string): void {
  const hint = nameProblem(name)
  if (hint !== null) throw new UsageError(`there can be no database "${name}"`, { hint })
}

function refuseForeign(item: PlannedItem): PlannedItem {
  const message = `${displayName(item.item.target)} was not copied from ${displayName(item.item.definition)}, as far as this machine knows`
  return { ...item, action: 'refuse', refusal: { code: FOREIGN, message } }
}

function existsRefusal({ item }: PlannedItem) {
  return { code: 'RESTORE_TARGET_EXISTS', message: `${displayName(item.target)} exists already` }
}
