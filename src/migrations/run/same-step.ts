import type { StepRow } from '../state/row.js'
import { MigrationUndecidedError } from './errors.js'

/**
 * A migration that is continued must begin with the steps that were done, as they were. Throws a
 * {@link MigrationUndecidedError} `HISTORY_CHANGED` (17). A file that is the same program as then does the same
 * steps, though their texts or what they are given may differ; only of another one the steps are compared. A step
 * that was only begun may be mended, but not become another one: what it has left behind would be forgotten.
 */
export function requireSameStep(of: {
  readonly version: string
  readonly number: number
  readonly title: string
  readonly hash: string
  readonly earlier: StepRow
  readonly sameFile: boolean
}): void {
  const { version, number, title, hash, earlier, sameFile } = of
  const byTitle = sameFile || earlier.state !== 'done'
  const same = byTitle ? earlier.title === title : earlier.hash === hash
  if (same || (earlier.state === 'running' && earlier.progress === null)) return
  const before = earlier.title === title ? 'it read otherwise then' : `it was "${earlier.title}" then`
  const done = earlier.state === 'done' ? 'is done' : 'was begun'
  throw new MigrationUndecidedError(
    'HISTORY_CHANGED',
    `step ${number} of migration ${version} ("${title}") ${done}, and ${before}`,
    { hint: historyHint(version) },
  )
}

/** A migration has fewer steps now than were done. */
export function requireAllSteps(of: {
  readonly version: string
  readonly steps: number
  readonly earlier: readonly StepRow[]
}): void {
  const { version, steps, earlier } = of
  const missing = earlier[steps]
  if (missing === undefined || (missing.state === 'running' && missing.progress === null)) return
  throw new MigrationUndecidedError(
    'HISTORY_CHANGED',
    `step ${steps + 1} of migration ${version} ("${missing.title}") was ${missing.state === 'done' ? 'done' : 'begun'}, and is not in the file any more`,
    { hint: historyHint(version) },
  )
}

function historyHint(version: string): string {
  return (
    `put the file back as it was and run "chroma-ops migrate up", or take back what was done with ` +
    `"chroma-ops migrate abort"; when you have done that by hand: ` +
    `"chroma-ops migrate repair --mark-rolled-back ${version}"`
  )
}
