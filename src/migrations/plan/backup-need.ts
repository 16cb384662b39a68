import type { MigrationDefinition } from '../definition.js'
import { isOpaque, isUndoable, needsBackup } from '../operations/step-facts.js'
import type { Step } from '../step.js'
import type { RecordedStep } from './record-steps.js'

/** A backup that a migration needs before one of its steps. */
export interface BackupNeed {
  /** From 1. */
  readonly beforeStep: number
  /** Names at that time; null: every collection of the user's, because code of one's own may touch any. */
  readonly collections: readonly string[] | null
}

/** Null: every step that is still to be done can be undone without one, or the migration wants none. */
export function backupNeedOf(
  definition: Pick<MigrationDefinition, 'backup'>,
  steps: readonly RecordedStep[],
): BackupNeed | null {
  const { backup = 'auto' } = definition
  if (backup === 'never') return null
  const open = steps.filter(({ state }) => state !== 'done')
  const needing = backup === 'always' ? open : open.filter(({ step }) => hasNoOtherWayBack(step))
  const [first] = needing
  if (first === undefined) return null
  if (needing.some(({ step }) => isOpaque(step))) return { beforeStep: first.number, collections: null }
  // Later steps may call a collection otherwise: the backup finds it by the name that it has before.
  const names = needing.flatMap(({ source }) =>
    source?.origin == null ? [] : [first.names.get(source.origin.id) ?? source.origin.name],
  )
  return names.length === 0 ? null : { beforeStep: first.number, collections: [...new Set(names)].sort() }
}

/** Whether what was there before the step is lost with it. */
export function hasNoOtherWayBack(step: Step): boolean {
  if (step.kind === 'copyAndSwap') return keepsNothing(step.options.keepOld)
  if (step.kind === 'drop') return keepsNothing(step.keep)
  return needsBackup(step) && !isUndoable(step)
}

/** `0`, `0s`, `0d`. */
export function keepsNothing(keep: string | undefined): boolean {
  return keep !== undefined && /^0+[a-z]*$/.test(keep)
}
