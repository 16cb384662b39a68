import { CollectionNotFoundError } from '../../chroma/errors.js'
import type { JsonValue } from '../../core/json.js'
import { isShadow } from '../../core/own-collections.js'
import type { CollectionDefinition } from '../../core/records.js'
import { dropCollection } from '../../transfer/commit-shadow.js'
import { IrreversibleError } from '../run/errors.js'
import type { StepContext } from '../step-outcome.js'
import { giveBack } from './cut-over.js'
import { adoptIntruders } from './drain.js'
import { observeSwap, type SwapState } from './observe-swap.js'
import { progressFromJson, type SwapProgress } from './progress.js'
import { isLeftBy } from './shadow-collection.js'
import { openLedger, swapBack, type SwapBackUndo } from './swap-back.js'

export interface AbortSwapOptions {
  /** As in SwapBackOptions; matters only after the names were changed. */
  readonly acceptDataLoss: boolean
}

/**
 * Undoes an unfinished copy-and-swap, given what it has put into its journal: the shadow is dropped, or the
 * names are put back. Returns what the operator should know. May be repeated. Rejects as swapBack does, and
 * with an IrreversibleError when the old collection is dropped already.
 */
export async function abortSwap(
  progress: JsonValue,
  context: StepContext,
  options: AbortSwapOptions = { acceptDataLoss: false },
): Promise<readonly string[]> {
  const saved = progressFromJson(progress)
  if (saved === null) return []
  const state = await observed(context, saved)
  // A copy that once had the live name is no shadow any more, and may have been written to.
  const wasLive = state?.kind === 'in the hole' && !isShadow(state.fresh)
  if (state?.kind === 'swapped' || wasLive) {
    const undo = undoOf(context, saved)
    const { notes } = await swapBack(undo, context, { ...options, carry: true })
    return notes
  }
  if (state?.kind === 'finished')
    throw new IrreversibleError(`${saved.live} was replaced, and the old collection is dropped already`)
  const notes: string[] = []
  if (state?.kind === 'in the hole' || state?.kind === 'copy lost')
    notes.push(...(await takeBack(context, saved, state.old)))
  await dropLeft(context, saved)
  return notes
}

async function observed(context: StepContext, saved: SwapProgress): Promise<SwapState | null> {
  try {
    return await observeSwap(context, saved, saved.live)
  } catch (error) {
    // There is no collection to put back: what the run has left is dropped all the same.
    if (error instanceof CollectionNotFoundError) return null
    throw error
  }
}

async function takeBack(
  context: StepContext,
  saved: SwapProgress,
  renamed: CollectionDefinition,
): Promise<readonly string[]> {
  await context.guard.check()
  await giveBack(context.api, renamed, saved.live)
  const old = { ...renamed, name: saved.live }
  const ledger = await openLedger(undoOf(context, saved), context, old)
  try {
    return await adoptIntruders({ context, ledger, target: old, side: 'source', keepUntil: saved.keepUntil })
  } finally {
    await ledger?.dispose()
  }
}

async function dropLeft(context: StepContext, { live }: SwapProgress): Promise<void> {
  const { api, tenant, database, version, guard, signal } = context
  for (const left of await api.listCollections(tenant, database, signal)) {
    if (!isLeftBy(left, { version, live })) continue
    await guard.check()
    await dropCollection(api, left, signal)
  }
}

function undoOf({ tenant, database }: StepContext, saved: SwapProgress): SwapBackUndo {
  const place = { tenant, database }
  return {
    kind: 'swapBack',
    live: { ...place, name: saved.live, id: saved.shadowId ?? '' },
    kept: { ...place, name: saved.old, id: saved.sourceId },
    keepUntil: saved.keepUntil,
    newVectors: saved.newVectors,
    ledger: saved.ledgerId === null ? null : { ...place, name: saved.ledger, id: saved.ledgerId },
  }
}
