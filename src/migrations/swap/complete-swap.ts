import { GuardError } from '../../core/errors.js'
import { plural, wasOrWere } from '../../core/plural.js'
import { dropCollection, findById } from '../../transfer/commit-shadow.js'
import type { StepContext } from '../step-outcome.js'
import { differences } from './catch-up.js'
import { openLedger, type SwapBackUndo } from './swap-back.js'

/** A kept collection, before it is dropped. */
export interface KeptState {
  /** False: it is gone already. */
  readonly exists: boolean
  readonly records: number
  /** Records written to it, or deleted from it, since it was last looked at; null: that cannot be told. */
  readonly writtenSince: number | null
}

/** Reads only: every record of the kept collection. */
export async function inspectKept(undo: SwapBackUndo, context: StepContext): Promise<KeptState> {
  const { api, signal } = context
  const kept = await findById(api, undo.kept, undo.kept.id, signal)
  if (kept === undefined) return { exists: false, records: 0, writtenSince: null }
  const records = await api.count(kept, signal)
  const ledger = await openLedger(undo, context, kept)
  if (ledger === null) return { exists: true, records, writtenSince: null }
  try {
    let writtenSince = 0
    const read = differences({ ...context, collection: kept, ledger, side: 'source', vectors: true })
    for await (const { added, changed, gone } of read)
      writtenSince += added.length + changed.length + gone.length
    return { exists: true, records, writtenSince }
  } finally {
    await ledger.dispose()
  }
}

/**
 * Drops the kept collection of a copy-and-swap and what belongs to it; one that is gone is no error. Rejects
 * with a GuardError `KEPT_WRITTEN_TO` (15) when it was written to since, or `KEPT_UNKNOWN` (15) when that cannot be
 * told, unless that is accepted.
 */
export async function completeSwap(
  undo: SwapBackUndo,
  context: StepContext,
  { acceptDataLoss }: { readonly acceptDataLoss: boolean },
): Promise<KeptState> {
  const { api, guard, signal } = context
  const state = await inspectKept(undo, context)
  const written = state.writtenSince ?? 0
  if (written > 0 && !acceptDataLoss)
    throw new GuardError(
      'KEPT_WRITTEN_TO',
      `${plural(written, 'record')} of ${undo.kept.name} ${wasOrWere(written)} written since it was replaced: clients still hold its id`,
      {
        hint: `restart them, copy what is missing into ${undo.live.name}, and then: chroma-ops migrate complete --apply --accept-data-loss`,
      },
    )
  if (state.exists && state.writtenSince === null && !acceptDataLoss)
    throw new GuardError(
      'KEPT_UNKNOWN',
      `whether ${undo.kept.name} was written to since it was replaced cannot be told: the list of what was copied is gone`,
      {
        hint: 'look at it; drop it all the same with: chroma-ops migrate complete --apply --accept-data-loss',
      },
    )
  const kept = await findById(api, undo.kept, undo.kept.id, signal)
  await guard.check()
  if (kept !== undefined) await dropCollection(api, kept, signal)
  if (undo.ledger !== null) await dropCollection(api, undo.ledger, signal)
  return state
}
