import type { StepContext, StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'

/**
 * Does one step, or what is left of it after a run that died: the journal and the ids on the server tell what
 * was done. Rejects with a {@link MigrationError} for what the migration itself got wrong, with a
 * LockLostError, AbortedError or the errors of the server; the step may be run again then.
 */
export async function runStep(_step: Step, _context: StepContext): Promise<StepOutcome> {
  throw new Error('not there yet')
}

/**
 * Clears away what an unfinished step has left, given its journal: nothing of it is to be continued. What it
 * has finished under its final name is undone where that can be done. May be repeated. Returns what the
 * operator should know.
 */
export async function abandonStep(
  _step: Step,
  _context: StepContext,
  _options: { readonly acceptDataLoss: boolean },
): Promise<readonly string[]> {
  throw new Error('not there yet')
}
