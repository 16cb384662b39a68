import type { StepContext, StepOutcome, Undo } from '../step-outcome.js'
import { swapBack } from '../swap/swap-back.js'
import { undoCode } from './code-step.js'
import { guardedTools } from './guarded-api.js'
import { removeCreated } from './remove-created.js'
import { undoRename } from './rename.js'
import { undoSetConfiguration } from './set-configuration.js'
import { undoSetMetadata } from './set-metadata.js'
import { nothingDone } from './step-tools.js'
import { untrash } from './trash.js'

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
 * Rejects with a MigrationError or a CollectionNotFoundError when what it needs is gone.
 */
export async function undoStep(undo: Undo, context: StepContext, options: UndoOptions): Promise<StepOutcome> {
  if (undo.kind === 'swapBack') return swapBack(undo, context, options)
  const tools = guardedTools(context)
  switch (undo.kind) {
    case 'dropCreated':
      return { ...nothingDone, notes: await removeCreated(undo.collections, tools) }
    case 'rename':
      return undoRename(undo, tools)
    case 'setMetadata':
      return undoSetMetadata(undo, tools)
    case 'setConfiguration':
      return undoSetConfiguration(undo, tools)
    case 'untrash':
      return untrash(undo, tools)
    case 'code':
      return undoCode(undo, tools, options.down(undo.name))
  }
}
