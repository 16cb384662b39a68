import type { StepContext, StepOutcome, Undo } from '../step-outcome.js'

export type SwapBackUndo = Extract<Undo, { readonly kind: 'swapBack' }>

export interface SwapBackOptions {
  /** What was written since the cutover and cannot be carried back stays in the new collection, which is kept aside. */
  readonly acceptDataLoss: boolean
  /** What was written since the cutover is carried into the old collection, where vectors are what they were. */
  readonly carry: boolean
}

/** What was written to the new collection since it got the live name. */
export interface WrittenSince {
  readonly added: number
  readonly changed: number
  readonly deleted: number
  /** False: the list of what the migration wrote is gone, so the figures are by ids alone. */
  readonly exact: boolean
}

/**
 * Gives the kept collection its name back. Rejects with a GuardError `DATA_LOSS` (15) when records were written
 * since the cutover that are neither carried nor given up, with a CollectionNotFoundError (10) when the kept
 * collection or the new one is gone; nothing has changed then.
 */
export async function swapBack(
  _undo: SwapBackUndo,
  _context: StepContext,
  _options: SwapBackOptions,
): Promise<StepOutcome> {
  throw new Error('not there yet')
}

/** For `down --dry-run`: reads both, changes nothing. */
export async function writtenSinceCutover(_undo: SwapBackUndo, _context: StepContext): Promise<WrittenSince> {
  throw new Error('not there yet')
}
