import type { JsonValue } from '../../core/json.js'
import type { StepContext } from '../step-outcome.js'

export interface AbortSwapOptions {
  /** As in {@link SwapBackOptions}; matters only after the names were changed. */
  readonly acceptDataLoss: boolean
}

/**
 * Undoes an unfinished copy-and-swap, given what it has put into its journal: the shadow is dropped, or the
 * names are put back. Returns what the operator should know. May be repeated. Rejects as swapBack does.
 */
export async function abortSwap(
  _progress: JsonValue,
  _context: StepContext,
  _options?: AbortSwapOptions,
): Promise<readonly string[]> {
  throw new Error('not there yet')
}
