import type { CollectionDefinition } from '../../core/records.js'
import type { StepContext } from '../step-outcome.js'
import { differences } from './catch-up.js'
import { asTheyAre, carryDeletions, carryRecords, sum, type Carried } from './late-writes.js'
import { entriesFor, Ledger, turned, turnedLedger } from './ledger.js'

/** What was written to the new collection since it got the live name. */
export interface WrittenSince {
  readonly added: number
  readonly changed: number
  readonly deleted: number
  /** False: the list of what the migration wrote is gone, so the figures are of ids that the old one does not have. */
  readonly exact: boolean
}

export interface CarryBackJob {
  readonly context: StepContext
  readonly ledger: Ledger | null
  readonly old: CollectionDefinition
  readonly fresh: CollectionDefinition
}

export async function countWritten(job: CarryBackJob): Promise<WrittenSince> {
  let [added, changed, deleted] = [0, 0, 0]
  await eachPart(job, async (part) => {
    added += part.added.length
    changed += part.changed.length
    deleted += part.gone.length
  })
  return { added, changed, deleted, exact: job.ledger !== null }
}

/**
 * Makes the old collection have what was written to the new one since the cutover. The ledger is told of it, so that
 * the next look takes what was carried for its own work, and not for that of a client.
 */
export async function carryBack(job: CarryBackJob): Promise<Carried> {
  const { context, old, fresh } = job
  let total: Carried = { carried: 0, conflicts: 0 }
  await eachPart(job, async ({ added, changed, gone }, ledger) => {
    const wanted = new Set([...added, ...changed, ...gone])
    if (wanted.size === 0) return
    const known = turned(await entriesFor(ledger, wanted))
    const late = { ...context, source: fresh, target: old, map: asTheyAre, ledger: turnedLedger(ledger) }
    total = sum(total, await carryRecords(late, [...added, ...changed], known, { record: 'carried' }))
    total = sum(total, await carryDeletions(late, gone, known, { record: 'carried' }))
  })
  return total
}

interface Part {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly gone: readonly string[]
}

async function eachPart(
  { context, ledger, old, fresh }: CarryBackJob,
  work: (part: Part, ledger: Ledger) => Promise<void>,
): Promise<void> {
  const job = { ...context, collection: fresh, side: 'target', vectors: true } as const
  if (ledger !== null) {
    for await (const part of differences({ ...job, ledger })) await work(part, ledger)
    return
  }
  const { api, tempDir, signal } = context
  const nothing = await Ledger.open({
    api,
    collection: null,
    tempDir,
    expected: await api.count(fresh, signal),
    signal,
  })
  try {
    for await (const { added } of differences({ ...job, ledger: nothing })) {
      const there = new Set<string>()
      for (let at = 0; at < added.length; at += AT_ONCE) {
        const ids = added.slice(at, at + AT_ONCE)
        for (const id of (await api.get(old, { ids, include: [] }, signal)).ids) there.add(id)
      }
      await work({ added: added.filter((id) => !there.has(id)), changed: [], gone: [] }, nothing)
    }
  } finally {
    await nothing.dispose()
  }
}

const AT_ONCE = 300
