import type { CollectionDefinition } from '../../core/records.js'
import { durationOf } from '../../core/duration.js'
import { CollectionNotFoundError } from '../../chroma/errors.js'
import { dropCollection } from '../../transfer/commit-shadow.js'
import { MigrationUndecidedError } from '../run/errors.js'
import type { StepContext, StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { buildCopy, type BuiltCopy } from './build-copy.js'
import { cutOver, giveBack, rollForward } from './cut-over.js'
import { drain } from './drain.js'
import { Ledger } from './ledger.js'
import { observeSwap, type SwapState } from './observe-swap.js'
import { progressFromJson, type SwapProgress } from './progress.js'
import { liveMetadata, releasedMetadata, swapNames, type SwapIdentity } from './shadow-collection.js'
import { SwapJournal } from './swap-journal.js'

export type CopyAndSwapStep = Extract<Step, { readonly kind: 'copyAndSwap' }>

const KEEP_OLD = '14d'
const DRAIN = '0'

/**
 * Builds the result of `step.map` beside the collection, verifies it, and gives it the collection's name. The
 * old one stays under another name until `keepOld` is over. Every phase is journalled before it begins; what an
 * earlier run has done is found by the ids on the server and continued.
 *
 * Rejects with a CollectionNotFoundError (10), a SwapVerificationError (13) or a GuardError `RECALL_TOO_LOW` or
 * `VECTORS_LOST` (15), all before the names are changed: the collection is as it was then. With a
 * MigrationUndecidedError (17) when the map is another one than that of a swap which was begun.
 */
export async function copyAndSwap(step: CopyAndSwapStep, context: StepContext): Promise<StepOutcome> {
  const saved = progressFromJson(context.journal.read())
  const seen = await observeSwap(context, saved, step.collection)
  if (seen.kind === 'copy lost') await giveBack(context.api, seen.old, step.collection)
  const state = seen.kind === 'copy lost' ? await observeSwap(context, null, step.collection) : seen
  if (state.kind === 'copy lost') throw new CollectionNotFoundError([step.collection])
  if (state.kind === 'not swapped') return fromSource(step, context, state, saved?.newVectors ?? false)
  if (state.progress.mapHash !== step.map.hash) throw changed(step, state.progress)
  const journal = new SwapJournal(context.journal, context.now, state.progress)
  if (state.kind === 'finished') return outcome(step, context, journal, { ...state, old: null })
  if (state.kind === 'in the hole') {
    const metadata = liveMetadata({ ...state.old, metadata: releasedMetadata(state.old.metadata) }, step.map)
    await rollForward({ context, journal, shadow: state.fresh, metadata })
  }
  return afterSwap(step, context, journal, {
    old: state.old,
    fresh: { ...state.fresh, name: step.collection },
  })
}

async function fromSource(
  step: CopyAndSwapStep,
  context: StepContext,
  { source, all }: Extract<SwapState, { readonly kind: 'not swapped' }>,
  newVectors: boolean,
): Promise<StepOutcome> {
  const { collection: live, map, options } = step
  const { version, api, signal } = context
  const identity: SwapIdentity = { version, live, sourceId: source.id, mapHash: map.hash }
  const keepMs = durationOf(options.keepOld ?? KEEP_OLD)
  const journal = new SwapJournal(context.journal, context.now, {
    phase: 'PLANNED',
    live,
    mapHash: map.hash,
    newVectors: newVectors || map.newVectors,
    sourceId: source.id,
    shadowId: null,
    ledgerId: null,
    ...swapNames(identity),
    keepUntil: new Date(context.now().getTime() + keepMs).toISOString(),
    gapMs: null,
    copied: 0,
    notes: [],
  })
  const built = await buildCopy({ step, context, identity, journal, source, all })
  try {
    // Once more: its metadata may have changed, and it must still have the name.
    const now = await api.getCollection(source, signal)
    if (now.id !== source.id) throw new CollectionNotFoundError([live])
    await cutOver({ context, journal, source: now, shadow: built.shadow, metadata: liveMetadata(now, map) })
    const old = { ...now, name: journal.progress.old }
    return await afterSwap(step, context, journal, { old, fresh: { ...built.shadow, name: live } }, built)
  } finally {
    await built.ledger.dispose()
  }
}

interface Swapped {
  readonly old: CollectionDefinition
  readonly fresh: CollectionDefinition
}

async function afterSwap(
  step: CopyAndSwapStep,
  context: StepContext,
  journal: SwapJournal,
  swapped: Swapped,
  built?: BuiltCopy,
): Promise<StepOutcome> {
  const ledger = built?.ledger ?? (await openLedger(context, journal.progress, swapped.fresh))
  try {
    const drained = await drain({
      ...swapped,
      context,
      map: step.map,
      ledger,
      keepUntil: journal.progress.keepUntil,
      drainMs: durationOf(step.options.drain ?? DRAIN),
    })
    for (const note of drained.notes) await journal.note(note)
    await journal.put({ phase: 'DRAINED' })
  } finally {
    if (built === undefined) await ledger.dispose()
  }
  return outcome(step, context, journal, swapped)
}

async function outcome(
  step: CopyAndSwapStep,
  context: StepContext,
  journal: SwapJournal,
  { old, fresh }: { readonly old: CollectionDefinition | null; readonly fresh: CollectionDefinition },
): Promise<StepOutcome> {
  const { api, tenant, database, guard, signal } = context
  const { progress } = journal
  const place = { tenant, database }
  const records = await api.count(fresh, signal)
  const ledger =
    progress.ledgerId === null ? null : { ...place, name: progress.ledger, id: progress.ledgerId }
  const isDropped = durationOf(step.options.keepOld ?? KEEP_OLD) === 0
  // Somebody wrote to it after the cutover, and may do so again, or what they wrote is nowhere else.
  const isWrittenTo = old !== null && progress.notes.length > 0
  const kept =
    isDropped && isWrittenTo ? [`${progress.old} is kept until "chroma-ops migrate complete --apply"`] : []
  const notes = [...progress.notes, ...kept]
  const result = { records, embedded: step.map.embedded, gapMs: progress.gapMs, notes }
  if (isDropped && !isWrittenTo) {
    await guard.check()
    if (old !== null) await dropCollection(api, old, signal)
    if (ledger !== null) await dropCollection(api, ledger, signal)
    return { ...result, undo: null }
  }
  return {
    ...result,
    undo: {
      kind: 'swapBack',
      live: { ...place, name: progress.live, id: fresh.id },
      kept: { ...place, name: progress.old, id: progress.sourceId },
      keepUntil: progress.keepUntil,
      newVectors: progress.newVectors,
      ledger,
    },
  }
}

async function openLedger(
  context: StepContext,
  progress: SwapProgress,
  fresh: CollectionDefinition,
): Promise<Ledger> {
  const { api, tenant, database, tempDir, signal } = context
  const found = await api.findCollection({ tenant, database, name: progress.ledger }, signal)
  if (found?.id !== progress.ledgerId) throw new CollectionNotFoundError([progress.ledger])
  const expected = await api.count(fresh, signal)
  return Ledger.open({ api, collection: found, tempDir, expected, signal })
}

function changed({ collection }: CopyAndSwapStep, { old }: SwapProgress): MigrationUndecidedError {
  return new MigrationUndecidedError(
    'HISTORY_CHANGED',
    `${collection} was replaced by a copy that another version of this migration has made; the old one is ${old}`,
    {
      hint: 'take the names back with: chroma-ops migrate abort; or bring the file back as it was, and run: chroma-ops migrate resume',
    },
  )
}
