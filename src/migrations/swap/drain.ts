import { sleep } from '../../core/abort.js'
import { KEPT_KEY } from '../../core/migration-keys.js'
import { isOrAre, plural, wasOrWere } from '../../core/plural.js'
import type { CollectionDefinition } from '../../core/records.js'
import { ChromaInvalidRequestError } from '../../chroma/errors.js'
import { spoolIds } from '../../chroma/read-by-ids.js'
import { dropCollection } from '../../transfer/commit-shadow.js'
import type { RecordMap } from '../record-map.js'
import type { StepContext } from '../step-outcome.js'
import { differences } from './catch-up.js'
import { isIntruder } from './exchange-names.js'
import { asTheyAre, carryDeletions, carryRecords, sum, type Carried, type LateJob } from './late-writes.js'
import { entriesFor, turned, type Ledger, type LedgerEntry } from './ledger.js'
import { keptMetadata } from './shadow-collection.js'

export interface DrainJob {
  readonly context: StepContext
  readonly map: RecordMap
  readonly ledger: Ledger
  /** The old collection, under the name that it has now. */
  readonly old: CollectionDefinition
  /** The new one, under the live name. */
  readonly fresh: CollectionDefinition
  readonly keepUntil: string | null
  /** How long the old collection is looked at; 0: once. */
  readonly drainMs: number
}

/** Collections that applications have made under the live name, and what their records go into. */
export interface AdoptJob {
  readonly context: StepContext
  /** Has the live name now. */
  readonly target: CollectionDefinition
  readonly ledger: Ledger | null
  /** Which side of the ledger tells what was left in the target. */
  readonly side: 'source' | 'target'
  /** Absent: records are carried over as they are. */
  readonly map?: RecordMap
  readonly keepUntil: string | null
}

export interface Drained {
  /** Records that were written to the old collection after the copy had caught up. */
  readonly late: Carried
  readonly notes: readonly string[]
}

const PAUSE_MS = 10_000
const IDS_AT_ONCE = 5000

/**
 * Carries into the new collection what clients wrote that still hold the id of the old one, and what
 * applications wrote into collections that they had made while the name was free.
 */
export async function drain(job: DrainJob): Promise<Drained> {
  const { signal } = job.context
  const end = performance.now() + job.drainMs
  const notes = await adoptIntruders({ ...job, target: job.fresh, side: 'target' })
  let late: Carried = { carried: 0, conflicts: 0 }
  for (;;) {
    late = sum(late, await lookAtOld(job))
    const left = end - performance.now()
    if (left <= 0) break
    await sleep(Math.min(PAUSE_MS, left), signal)
  }
  return { late, notes: [...notes, ...lateNotes(job, late)] }
}

/** One look; every record of the old collection is read. */
export async function lookAtOld(job: DrainJob): Promise<Carried> {
  const { context, old, ledger } = job
  const late = lateJob(job, old)
  let total: Carried = { carried: 0, conflicts: 0 }
  const read = differences({ ...context, collection: old, ledger, side: 'source', vectors: true })
  for await (const { added, changed, gone } of read) {
    const wanted = new Set([...added, ...changed, ...gone])
    if (wanted.size === 0) continue
    const known = await entriesFor(ledger, wanted)
    total = sum(total, await carryRecords(late, [...added, ...changed], known, { record: 'all' }))
    total = sum(total, await carryDeletions(late, gone, known, { record: 'all' }))
  }
  return total
}

/**
 * Collections that had the live name during the swap: empty ones are removed, so that whoever holds their ids
 * hears of it; of the others the records are carried over, and they are kept.
 */
export async function adoptIntruders(job: AdoptJob): Promise<readonly string[]> {
  const { context, target, keepUntil } = job
  const { api, tenant, database, version, guard, signal } = context
  const all = await api.listCollections(tenant, database, signal)
  const notes: string[] = []
  let empty = 0
  for (const intruder of all) {
    if (!isIntruder(intruder, target.name) || intruder.metadata?.has(KEPT_KEY) === true) continue
    if ((await api.count(intruder, signal)) === 0) {
      await guard.check()
      await dropCollection(api, intruder, signal)
      empty++
      continue
    }
    notes.push(await adopt(job, intruder))
    await guard.check()
    const newMetadata = keptMetadata(intruder.metadata, version, keepUntil)
    await api.updateCollection(intruder, { newMetadata }, signal)
  }
  if (empty > 0)
    notes.push(
      `${plural(empty, 'empty collection')} ${wasOrWere(empty)} made as ${target.name} while the name was free, and removed: restart the applications that made them`,
    )
  return notes
}

async function adopt(job: AdoptJob, intruder: CollectionDefinition): Promise<string> {
  const { target, context } = job
  const { api, tempDir, signal } = context
  let total: Carried = { carried: 0, conflicts: 0 }
  let records = 0
  const list = await spoolIds({ api, collection: intruder, window: api.mostPerRequest, signal }, tempDir)
  try {
    for await (const piece of list.read())
      for (let at = 0; at < piece.length; at += IDS_AT_ONCE) {
        const ids = piece.slice(at, at + IDS_AT_ONCE)
        records += ids.length
        total = sum(total, await adoptRecords(job, intruder, ids))
      }
  } catch (error) {
    if (!(error instanceof ChromaInvalidRequestError)) throw error
    return `an application made ${target.name} while the name was free and wrote ${plural(records, 'record')} to it, which cannot be carried over (${error.message}): see ${intruder.name}`
  } finally {
    await list.dispose()
  }
  const conflicts =
    total.conflicts === 0
      ? ''
      : `, ${total.conflicts} ${wasOrWere(total.conflicts)} changed in ${target.name} too and ${isOrAre(total.conflicts)} not`
  return `an application made ${target.name} while the name was free and wrote ${plural(records, 'record')} to it: ${total.carried} ${isOrAre(total.carried)} carried over${conflicts}; it is kept as ${intruder.name}`
}

async function adoptRecords(
  { context, target, ledger, map = asTheyAre, side }: AdoptJob,
  intruder: CollectionDefinition,
  ids: readonly string[],
): Promise<Carried> {
  const found = ledger === null ? new Map<string, LedgerEntry>() : await entriesFor(ledger, new Set(ids))
  const known = side === 'target' ? found : turned(found)
  return carryRecords({ ...context, source: intruder, target, map, ledger }, ids, known, {
    record: 'nothing',
  })
}

function lateJob({ context, map, ledger, fresh }: DrainJob, source: CollectionDefinition): LateJob {
  return { ...context, source, target: fresh, map, ledger }
}

function lateNotes({ old, fresh }: DrainJob, { carried, conflicts }: Carried): readonly string[] {
  const notes: string[] = []
  if (carried > 0)
    notes.push(
      `${plural(carried, 'late write')} to the old collection (now ${old.name}) ${wasOrWere(carried)} carried into ${fresh.name}: restart the clients that still hold its id`,
    )
  if (conflicts > 0)
    notes.push(
      `${plural(conflicts, 'late write')} to the old collection (now ${old.name}) ${wasOrWere(conflicts)} not carried over: the same records were changed in ${fresh.name}`,
    )
  return notes
}
