import { withTrueSpace } from '../../chroma/probe-space.js'
import { LEDGER_KEY } from '../../core/migration-keys.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import { isShadow } from '../../core/own-collections.js'
import { dropCollection } from '../../transfer/commit-shadow.js'
import type { StepContext } from '../step-outcome.js'
import { differences } from './catch-up.js'
import type { CopyAndSwapStep } from './copy-and-swap.js'
import { copyAgain, forgetRecords, type CopyJob } from './copy-records.js'
import { Ledger } from './ledger.js'
import { RecordSample } from './record-sample.js'
import { copyAll, copyMissing } from './resume-copy.js'
import {
  createLedgerCollection,
  createShadow,
  isLeftBy,
  targetSpace,
  type SwapIdentity,
} from './shadow-collection.js'
import type { SwapJournal } from './swap-journal.js'
import { DEFAULT_SAMPLE, verifyCopy } from './verify-copy.js'

export interface BuildJob {
  readonly step: CopyAndSwapStep
  readonly context: StepContext
  readonly identity: SwapIdentity
  readonly journal: SwapJournal
  /** Under its live name. */
  readonly source: CollectionDefinition
  /** All collections of the database. */
  readonly all: readonly CollectionDefinition[]
}

export interface BuiltCopy {
  readonly source: CollectionDefinition
  readonly shadow: CollectionDefinition
  readonly ledgerCollection: CollectionDefinition
  /** Disposed of by the caller. */
  readonly ledger: Ledger
}

/** So few changes in one pass are left to the look after the swap. */
const FEW = 10
const MOST_PASSES = 5

/** Builds the copy, or continues it, until it has caught up with the source and is proven. */
export async function buildCopy(job: BuildJob): Promise<BuiltCopy> {
  const { context, journal } = job
  const { api, tempDir, signal } = context
  const source = await withTrueSpace(api, job.source, signal)
  const there = await prepare({ ...job, source })
  const expected = await api.count(source, signal)
  const { shadow, ledgerCollection } = there
  await journal.put({ phase: 'COPYING', shadowId: shadow.id, ledgerId: ledgerCollection.id })
  const ledger = await Ledger.open({ api, collection: ledgerCollection, tempDir, expected, signal })
  try {
    const built = { source, shadow, ledgerCollection, ledger }
    await fill(job, built, { resumed: there.resumed, expected })
    return built
  } catch (error) {
    await ledger.dispose()
    throw error
  }
}

async function fill(
  job: BuildJob,
  { source, shadow, ledger }: BuiltCopy,
  { resumed, expected }: { readonly resumed: boolean; readonly expected: number },
): Promise<void> {
  const { step, context, journal } = job
  const { api, guard, tempDir, signal, concurrency, progress } = context
  const task = displayName(source)
  let [done, bytes] = [resumed ? await api.count(shadow, signal) : 0, 0]
  const told = (state?: 'done' | 'failed') =>
    progress.update({
      task,
      phase: 'write',
      done,
      total: Math.max(expected, done),
      unit: 'records',
      bytes,
      ...(state && { state }),
    })
  const copy: CopyJob & { readonly tempDir: string } = {
    api,
    source,
    target: shadow,
    map: step.map,
    ledger,
    sample: new RecordSample(step.options.verify?.sample ?? DEFAULT_SAMPLE),
    guard,
    concurrency,
    signal,
    tempDir,
    onCopied: async (records, added) => {
      done += records
      bytes += added
      told()
      await journal.tell({ copied: done, newVectors: journal.progress.newVectors || step.map.newVectors })
    },
  }
  try {
    if (resumed) await copyMissing(copy)
    else await copyAll(copy)
    await catchUp(copy)
    told('done')
  } catch (error) {
    told('failed')
    throw error
  }
  await journal.put({ phase: 'CAUGHT_UP', copied: done })
  await verify(job, copy, done)
  // Known only when every record has been mapped.
  await journal.put({ phase: 'VERIFIED', newVectors: journal.progress.newVectors || step.map.newVectors })
}

async function verify(
  { step, context: { progress } }: BuildJob,
  copy: CopyJob & { readonly tempDir: string },
  total: number,
): Promise<void> {
  let read = 0
  const told = (state?: 'done' | 'failed') =>
    progress.update({
      task: `verify ${displayName(copy.target)}`,
      phase: 'verify',
      done: read,
      total: Math.max(total, read),
      unit: 'records',
      ...(state && { state }),
    })
  const onRead = (records: number) => {
    read += records
    told()
  }
  const space = targetSpace(copy.source, step.map)
  try {
    await verifyCopy({ ...copy, space, options: step.options.verify ?? {}, onRead })
    told('done')
  } catch (error) {
    told('failed')
    throw error
  }
}

/** Until a pass finds few changes; those that nobody stops making are found after the swap. */
async function catchUp(copy: CopyJob & { readonly tempDir: string }): Promise<void> {
  for (let pass = 1; pass <= MOST_PASSES; pass++) {
    let changes = 0
    const read = differences({ ...copy, collection: copy.source, side: 'source', vectors: false })
    for await (const { added, changed, gone } of read) {
      await copyAgain(copy, [...added, ...changed])
      if (gone.length > 0) await forgetRecords(copy, gone)
      changes += added.length + changed.length + gone.length
    }
    if (changes <= FEW) return
  }
}

interface Prepared {
  readonly shadow: CollectionDefinition
  readonly ledgerCollection: CollectionDefinition
  readonly resumed: boolean
}

/** The shadow and its ledger: those of an earlier run of the same map, else new ones. */
async function prepare(job: BuildJob): Promise<Prepared> {
  const { step, context, identity, journal, source, all } = job
  const { api, progress, guard, signal } = context
  const { shadow: shadowName, ledger: ledgerName } = journal.progress
  const shadow = all.find(({ name, ...rest }) => name === shadowName && isShadow(rest))
  const ledgerCollection = all.find(({ name, metadata }) => name === ledgerName && metadata?.has(LEDGER_KEY))
  const both = shadow !== undefined && ledgerCollection !== undefined
  for (const left of all.filter((collection) => isLeftBy(collection, identity))) {
    if (both && (left.id === shadow.id || left.id === ledgerCollection.id)) continue
    await guard.check()
    await dropCollection(api, left, signal)
  }
  if (both) return { shadow, ledgerCollection, resumed: true }
  await journal.put({ phase: 'PLANNED', shadowId: null, ledgerId: null, copied: 0 })
  await guard.check()
  const created = await createShadow(api, identity, source, step.map, signal)
  for (const warning of created.warnings) progress.warn(warning)
  return {
    shadow: created.collection,
    ledgerCollection: await createLedgerCollection(api, identity, source, signal),
    resumed: false,
  }
}
