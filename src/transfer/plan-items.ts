import { isShadow } from '../chroma/shadow-marker.js'
import { spaceOf } from '../chroma/space.js'
import type { Warning } from '../core/progress.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import type { RestoreItem, RestoreRecordsJob } from './restore-job.js'
import type { RestoreJournal } from './restore-journal.js'
import type { PlannedAction } from './restore-plan.js'
import { isShadowOf, judgeShadow, shadowIdentity, type ShadowIdentity } from './shadow.js'
import type { TargetSurvey } from './survey-targets.js'

/** What is to be done for one collection. */
export interface PlannedItem {
  readonly item: RestoreItem
  /** `check`: it may be the work of an interrupted run; it is if its records are equal. */
  readonly action: PlannedAction | 'check'
  readonly shadow: ShadowIdentity
  /** What is under the shadow's name now. */
  readonly begun: CollectionDefinition | null
  /** What is under the target's name now. */
  readonly existing: CollectionDefinition | null
  /** Why the action is `refuse`. */
  readonly refusal: Warning | null
}

export function planItems(
  job: Pick<RestoreRecordsJob, 'items' | 'mode' | 'origin' | 'api'>,
  survey: TargetSurvey,
  journal: RestoreJournal,
): readonly PlannedItem[] {
  const interrupted = survey.collections.some((collection) => isShadowOf(collection, job.origin.id))
  return job.items.map((item) => {
    const { definition, target, content } = item
    const shadow = shadowIdentity({
      origin: job.origin.id,
      content,
      source: definition,
      target,
    })
    const begun = survey.find(shadow.address) ?? null
    const existing = survey.find(target) ?? null
    const planned = { item, shadow, begun, existing, refusal: null }
    if (begun !== null && judgeShadow(begun, shadow) === 'foreign')
      return refuse(planned, 'RESTORE_NAME_TAKEN', `${displayName(shadow.address)} is in the way`)
    if (existing === null) return { ...planned, action: 'create' }
    if (isShadow(existing))
      return refuse(
        planned,
        'RESTORE_TARGET_BUILDING',
        `${displayName(target)} is being built by another run`,
      )
    if (job.mode === 'missing' || job.mode === 'overwrite') return fillOrRefuse(planned, existing, job.mode)
    if (journal.has(existing.id)) return { ...planned, action: 'already-restored' }
    // A shadow that is still there has not been committed: what exists is not the work of an earlier run.
    if (interrupted && begun === null) return { ...planned, action: 'check' }
    if (job.mode === 'replace') return { ...planned, action: 'replace' }
    return refuse(planned, 'RESTORE_TARGET_EXISTS', `${displayName(target)} exists already`)
  })
}

/** Records are added to an existing collection only if it can take them as they are. */
function fillOrRefuse(
  planned: Omit<PlannedItem, 'action'>,
  existing: CollectionDefinition,
  mode: 'missing' | 'overwrite',
): PlannedItem {
  const { definition, target } = planned.item
  const spaces = [spaceOf(definition), spaceOf(existing)] as const
  const dimensions = [definition.dimension, existing.dimension] as const
  if (spaces[0] !== spaces[1])
    return refuse(
      planned,
      'RESTORE_TARGET_UNFIT',
      `${displayName(target)} measures ${spaces[1]}, the source ${spaces[0]}`,
    )
  if (dimensions[0] !== null && dimensions[1] !== null && dimensions[0] !== dimensions[1])
    return refuse(
      planned,
      'RESTORE_TARGET_UNFIT',
      `${displayName(target)} has dimension ${dimensions[1]}, the source ${dimensions[0]}`,
    )
  return { ...planned, action: mode === 'missing' ? 'add-missing' : 'overwrite' }
}

function refuse(planned: Omit<PlannedItem, 'action'>, code: string, message: string): PlannedItem {
  return { ...planned, action: 'refuse', refusal: { code, message } }
}
