import type { StepContext } from '../step-outcome.js'
import type { SwapBackUndo } from './swap-back.js'

/** A kept collection, before it is dropped. */
export interface KeptState {
  /** False: it is gone already. */
  readonly exists: boolean
  readonly records: number
  /** Records written to it, or deleted from it, since it was last looked at; null: that cannot be told. */
  readonly writtenSince: number | null
}

/** Reads only. */
export async function inspectKept(_undo: SwapBackUndo, _context: StepContext): Promise<KeptState> {
  throw new Error('not there yet')
}

/**
 * Drops the kept collection of a copy-and-swap and what belongs to it; one that is gone is no error. Rejects
 * with a GuardError `KEPT_WRITTEN_TO` (15) when it was written to since, unless that is accepted.
 */
export async function completeSwap(
  _undo: SwapBackUndo,
  _context: StepContext,
  _options: { readonly acceptDataLoss: boolean },
): Promise<KeptState> {
  throw new Error('not there yet')
}
