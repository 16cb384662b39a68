import type { StepContext, StepOutcome, Undo } from '../step-outcome.js'

export interface UndoOptions {
  /** What was written since, and cannot be carried back, may be left behind. */
  readonly acceptDataLoss: boolean
  /** Of a copy-and-swap: records written since are carried back where their vectors fit. */
  readonly carry: boolean
  /** The `down` of the migration's step of this name; null: the file has none. */
  readonly down: (
    name: string,
  ) => ((context: { readonly signal: AbortSignal }) => Promise<void> | void) | null
}

/**
 * Goes back behind a finished step. May be repeated: what an earlier run has undone is recognised by ids.
 * Rejects with a {@link MigrationError} when what it needs is gone.
 */
export async function undoStep(
  _undo: Undo,
  _context: StepContext,
  _options: UndoOptions,
): Promise<StepOutcome> {
  throw new Error('not there yet')
}
