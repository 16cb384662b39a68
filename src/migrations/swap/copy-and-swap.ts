import type { StepContext, StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'

export type CopyAndSwapStep = Extract<Step, { readonly kind: 'copyAndSwap' }>

/**
 * Builds the result of `step.map` beside the collection, verifies it, and gives it the collection's name. The
 * old one stays under another name until `keepOld` is over. Every phase is journalled before it begins; what an
 * earlier run has done is found by the ids on the server and continued.
 *
 * Rejects with a CollectionNotFoundError (10), a {@link SwapVerificationError} (13) or a GuardError
 * `RECALL_TOO_LOW` or `VECTORS_LOST` (15), all before the names are changed: the collection is as it was then.
 */
export async function copyAndSwap(_step: CopyAndSwapStep, _context: StepContext): Promise<StepOutcome> {
  throw new Error('not there yet')
}
