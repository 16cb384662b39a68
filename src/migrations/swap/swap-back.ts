import { CollectionNotFoundError } from '../../chroma/errors.js'
import { GuardError } from '../../core/errors.js'
import { namesToChoose } from '../../core/own-collections.js'
import { isOrAre, plural, wasOrWere } from '../../core/plural.js'
import type { CollectionDefinition } from '../../core/records.js'
import { dropCollection } from '../../transfer/commit-shadow.js'
import { nameWithSuffix } from '../../transfer/shadow-name.js'
import type { StepContext, StepOutcome, Undo } from '../step-outcome.js'
import { carryBack, countWritten, type CarryBackJob, type WrittenSince } from './carry-back.js'
import { freeName, giveBack } from './cut-over.js'
import { adoptIntruders } from './drain.js'
import { exchangeNames } from './exchange-names.js'
import type { Carried } from './late-writes.js'
import { Ledger } from './ledger.js'
import { keptMetadata, releasedMetadata } from './shadow-collection.js'

export type { WrittenSince } from './carry-back.js'

export type SwapBackUndo = Extract<Undo, { readonly kind: 'swapBack' }>

export interface SwapBackOptions {
  /** What was written since the cutover and cannot be carried back stays in the new collection, which is kept aside. */
  readonly acceptDataLoss: boolean
  /** What was written since the cutover is carried into the old collection, where vectors are what they were. */
  readonly carry: boolean
}

/** As often the new collection is looked at behind the swap, before clients count as never stopping to write to it. */
const MOST_LOOKS = 5

/**
 * Gives the kept collection its name back. What was written since the cutover is carried into it as it is. The
 * new collection is dropped when it is known to hold nothing else than the kept one does, and kept otherwise. May be
 * repeated after a crash: everything is found by ids.
 *
 * Rejects with a GuardError `DATA_LOSS` (15) when records were written since the cutover that are neither
 * carried nor given up, with a CollectionNotFoundError (10) when the kept collection or the new one is gone;
 * nothing has changed then.
 */
export async function swapBack(
  undo: SwapBackUndo,
  context: StepContext,
  options: SwapBackOptions,
): Promise<StepOutcome> {
  const { api, guard, signal } = context
  const done = await finished(undo, context)
  if (done !== null) return done
  const seen = await observe(undo, context)
  const ledger = await openLedger(undo, context, seen.fresh)
  try {
    const carry = options.carry && !undo.newVectors
    const job = { context, ledger, old: seen.old, fresh: seen.fresh }
    let gapMs: number | null = null
    const carried: Carried[] = []
    if (seen.place === 'live') {
      if (!carry && !options.acceptDataLoss) refuseLoss(undo, await countWritten(job))
      if (carry) carried.push(await carryBack(job))
      gapMs = await exchange(undo, context, seen)
    } else if (seen.place === 'nowhere') {
      await guard.check()
      await giveBack(api, seen.old, undo.live.name)
    }
    const old = { ...seen.old, name: undo.live.name }
    const fresh = await api
      .listCollections(context.tenant, context.database, signal)
      .then((all) => all.find(({ id }) => id === seen.fresh.id))
    const notes = await adoptIntruders({
      context,
      ledger,
      target: old,
      side: 'source',
      keepUntil: undo.keepUntil,
    })
    // Until nothing is found: clients that hold the id of the new collection go on writing to it.
    const after = { ...job, old, fresh: fresh ?? seen.fresh }
    for (let look = 1; carry && look <= MOST_LOOKS; look++) {
      const one = await carryBack(after)
      carried.push(one)
      if (one.carried === 0) break
    }
    const left = carry ? null : await countWritten(after)
    return {
      undo: null,
      records: await api.count(old, signal),
      embedded: 0,
      gapMs,
      notes: [...notes, ...(await settle(undo, after, carried, left))],
    }
  } finally {
    await ledger?.dispose()
  }
}

/**
 * Null while the new collection is there. Without it a run has died behind the last of its work, which is to drop it,
 * or somebody has deleted it, and what is left to be done is to give the old one its name.
 */
async function finished(undo: SwapBackUndo, context: StepContext): Promise<StepOutcome | null> {
  const { api, tenant, database, guard, signal } = context
  const all = await api.listCollections(tenant, database, signal)
  const old = all.find(({ id }) => id === undo.kept.id)
  if (old === undefined || all.some(({ id }) => id === undo.live.id)) return null
  const notes: string[] = []
  await guard.check()
  if (old.name !== undo.live.name) {
    if (all.some(({ name }) => name === undo.live.name)) return null
    await giveBack(api, old, undo.live.name)
    notes.push(`somebody has deleted ${undo.live.name}, and with it what was written since the cutover`)
  }
  if (undo.ledger !== null) await dropCollection(api, undo.ledger, signal)
  return { undo: null, records: await api.count(old, signal), embedded: 0, gapMs: null, notes }
}

/** For `down --dry-run`: reads both collections, changes nothing. */
export async function writtenSinceCutover(undo: SwapBackUndo, context: StepContext): Promise<WrittenSince> {
  const { old, fresh } = await observe(undo, context)
  const ledger = await openLedger(undo, context, fresh)
  try {
    return await countWritten({ context, ledger, old, fresh })
  } finally {
    await ledger?.dispose()
  }
}

/** Null when there is none any more. */
export async function openLedger(
  undo: SwapBackUndo,
  context: StepContext,
  like: CollectionDefinition,
): Promise<Ledger | null> {
  const { api, tempDir, signal } = context
  if (undo.ledger === null) return null
  const collection = await api.findCollection(undo.ledger, signal)
  if (collection?.id !== undo.ledger.id) return null
  const expected = await api.count(like, signal)
  return Ledger.open({ api, collection, tempDir, expected, signal })
}

interface Seen {
  readonly old: CollectionDefinition
  readonly fresh: CollectionDefinition
  /** Which of the two has the live name: the new one, the old one, or neither, because a run died in between. */
  readonly place: 'live' | 'back' | 'nowhere'
}

async function observe(undo: SwapBackUndo, context: StepContext): Promise<Seen> {
  const { api, tenant, database, signal } = context
  const all = await api.listCollections(tenant, database, signal)
  const old = all.find(({ id }) => id === undo.kept.id)
  const fresh = all.find(({ id }) => id === undo.live.id)
  const names = namesToChoose(all)
  if (old === undefined) throw new CollectionNotFoundError([undo.kept.name], names)
  if (fresh === undefined) throw new CollectionNotFoundError([undo.live.name], names)
  if (fresh.name === undo.live.name) return { old, fresh, place: 'live' }
  return { old, fresh, place: old.name === undo.live.name ? 'back' : 'nowhere' }
}

async function exchange(
  undo: SwapBackUndo,
  { api, guard, version }: StepContext,
  { old, fresh }: Seen,
): Promise<number> {
  const aside = await freeName(api, fresh, nameWithSuffix(fresh.name, `.reverted-${fresh.id.slice(0, 8)}`))
  await guard.check()
  return exchangeNames(api, {
    out: { collection: fresh, name: aside, metadata: keptMetadata(fresh.metadata, version, undo.keepUntil) },
    into: { collection: old, name: undo.live.name, metadata: releasedMetadata(old.metadata) },
  })
}

/** Drops the new collection unless it holds, or may hold, what is nowhere else. */
async function settle(
  undo: SwapBackUndo,
  { context, ledger, fresh }: CarryBackJob,
  carried: readonly Carried[],
  left: WrittenSince | null,
): Promise<readonly string[]> {
  const { api, guard, signal } = context
  const notes: string[] = []
  const count = carried.reduce((sum, one) => sum + one.carried, 0)
  if (count > 0)
    notes.push(
      `${plural(count, 'record')} written since the cutover ${wasOrWere(count)} carried back into ${undo.live.name}`,
    )
  const last = carried.at(-1)
  // The last look finds those of the ones before once more.
  const lost = (last?.conflicts ?? 0) + (left === null ? 0 : totalOf(left))
  const reasons: string[] = []
  if (lost > 0)
    reasons.push(
      `${plural(lost, 'record')} written since the cutover ${isOrAre(lost)} not in ${undo.live.name}: kept in ${fresh.name}`,
    )
  if (ledger === null)
    reasons.push(
      `what was changed or deleted since the cutover cannot be told, because the list of what the migration wrote is gone: all of it is kept in ${fresh.name}`,
    )
  if (last !== undefined && last.carried > 0)
    reasons.push(`clients still write to the collection that was taken back: it is kept as ${fresh.name}`)
  if (reasons.length > 0) return [...notes, ...reasons]
  await guard.check()
  await dropCollection(api, fresh, signal)
  if (undo.ledger !== null) await dropCollection(api, undo.ledger, signal)
  return notes
}

function refuseLoss(undo: SwapBackUndo, written: WrittenSince): void {
  const total = totalOf(written)
  if (total === 0) return
  const { added, changed, deleted } = written
  const why = undo.newVectors ? 'their vectors are others than those of the old collection; ' : ''
  throw new GuardError(
    'DATA_LOSS',
    `${plural(total, 'record')} of ${undo.live.name} ${wasOrWere(total)} written since the cutover (${added} added, ${changed} changed, ${deleted} deleted) and would be lost`,
    {
      hint: `${why}accept that with: chroma-ops migrate down --accept-data-loss; the new collection is kept then`,
    },
  )
}

function totalOf({ added, changed, deleted }: WrittenSince): number {
  return added + changed + deleted
}
