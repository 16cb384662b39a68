import { readByIds } from '../../chroma/read-by-ids.js'
import { ServerCollectionWriter } from '../../chroma/server-sink.js'
import { pickRows } from '../../core/batch-rows.js'
import { concatBatches } from '../../core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../../core/records.js'
import type { RecordMap } from '../record-map.js'
import { entriesOf, mappedBatches, once, type CopyJob, type MappedBatch } from './copy-records.js'
import { removeForeignLists } from './foreign-lists.js'
import type { Ledger, LedgerEntry } from './ledger.js'
import { digestRows, sameRecord } from './record-digests.js'

/** What became of records that were written past the collection that has the live name. */
export interface Carried {
  /** Added, replaced or deleted in the new collection. */
  readonly carried: number
  /** Left as they are there, because somebody has changed or deleted them there too. */
  readonly conflicts: number
}

export interface LateJob extends Omit<CopyJob, 'sample' | 'onCopied' | 'ledger'> {
  /** Needed to record. */
  readonly ledger: Pick<Ledger, 'add' | 'flush'> | null
}

/** What the ledger is told of: whatever was looked at, or what was carried alone, so that conflicts are found again. */
export type Recorded = 'all' | 'carried' | 'nothing'

export const asTheyAre: RecordMap = {
  hash: 'as-they-are',
  space: null,
  newVectors: false,
  embedded: 0,
  map: async (batch) => batch,
}

const AT_ONCE = 500

/**
 * Carries records of `job.source` into the target, which applications use already: added when it does not have
 * them, replaced when it has what the copy left there; what was changed in the target since stays. With `all`
 * recorded, a record that was deleted from the target stays deleted.
 */
export async function carryRecords(
  job: LateJob,
  ids: readonly string[],
  known: ReadonlyMap<string, LedgerEntry>,
  options: { readonly record: Recorded },
): Promise<Carried> {
  let total: Carried = { carried: 0, conflicts: 0 }
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE)
    const batches = readByIds({ ...job, collection: job.source, vectors: true }, once(some))
    for await (const mapped of mappedBatches(job, batches))
      total = sum(total, await carry(job, mapped, known, options))
  }
  return total
}

/** Deletes from the target what was deleted from the source, unless it was changed there since. */
export async function carryDeletions(
  job: LateJob,
  ids: readonly string[],
  known: ReadonlyMap<string, LedgerEntry>,
  { record }: { readonly record: Recorded },
): Promise<Carried> {
  const { api, guard, signal } = job
  const ledger = record === 'nothing' ? null : job.ledger
  let total: Carried = { carried: 0, conflicts: 0 }
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE)
    const current = await fetchRows(job, job.target, some)
    const untouched = current.ids.filter((id, row) => isUntouched(known.get(id), digestAt(current, row)))
    if (untouched.length > 0) {
      await guard.check()
      await api.deleteRecords(job.target, untouched, signal)
    }
    const gone = new Set(untouched)
    const conflicts = current.ids.filter((id) => !gone.has(id))
    await ledger?.add(settled(some, conflicts, record).map((id) => [id, { source: null, target: null }]))
    total = sum(total, { carried: untouched.length, conflicts: conflicts.length })
  }
  await ledger?.flush()
  return total
}

function settled(ids: readonly string[], conflicts: readonly string[], record: Recorded): readonly string[] {
  if (record === 'all') return ids
  const open = new Set(conflicts)
  return ids.filter((id) => !open.has(id))
}

interface Decision {
  readonly write: readonly number[]
  readonly remove: readonly string[]
  readonly conflicts: readonly string[]
}

async function carry(
  job: LateJob,
  mapped: MappedBatch,
  known: ReadonlyMap<string, LedgerEntry>,
  { record }: { readonly record: Recorded },
): Promise<Carried> {
  const { api, target, guard, signal } = job
  const ledger = record === 'nothing' ? null : job.ledger
  const { write, remove, conflicts } = await decide(job, mapped, known, record)
  const written = pickRows(mapped.records, write)
  if (remove.length > 0) {
    // Should this run die between deleting and adding, the next one sees what was going on.
    if (ledger !== null) {
      await ledger.add(remove.map((id) => [id, { source: null, target: known.get(id)?.target ?? null }]))
      await ledger.flush()
    }
    await guard.check()
    await api.deleteRecords(target, remove, signal)
  }
  if (written.ids.length > 0) {
    await guard.check()
    await new ServerCollectionWriter(api, target).write(written, signal)
    const digests = new Map(digestRows(written).map((digest, row) => [written.ids[row], digest]))
    await removeForeignLists(
      { ...job, collection: target, written: (id) => digests.get(id) ?? null },
      written.ids,
    )
  }
  if (ledger !== null) {
    const left = new Set(conflicts)
    const told = new Set(settled(mapped.ids, conflicts, record))
    await ledger.add(
      entriesOf(mapped)
        .filter(([id]) => told.has(id))
        .map(([id, entry]) => [
          id,
          left.has(id) ? { ...entry, target: known.get(id)?.target ?? null } : entry,
        ]),
    )
    await ledger.flush()
  }
  const replaced = new Set(written.ids)
  const deleted = remove.filter((id) => !replaced.has(id)).length
  return { carried: written.ids.length + deleted, conflicts: conflicts.length }
}

async function decide(
  job: LateJob,
  { ids, records }: MappedBatch,
  known: ReadonlyMap<string, LedgerEntry>,
  record: Recorded,
): Promise<Decision> {
  const current = await fetchRows(job, job.target, ids)
  const currentRow = new Map(current.ids.map((id, row) => [id, row]))
  const newRow = new Map(records.ids.map((id, row) => [id, row]))
  const write: number[] = []
  const remove: string[] = []
  const conflicts: string[] = []
  for (const id of ids) {
    const [there, row, entry] = [currentRow.get(id), newRow.get(id), known.get(id)]
    if (there === undefined) {
      // Known to have been written, and not about to be replaced: it was deleted there.
      const deleted = record === 'all' && (entry?.target ?? null) !== null && entry?.source !== null
      if (row !== undefined && deleted) conflicts.push(id)
      else if (row !== undefined) write.push(row)
      continue
    }
    const digest = digestAt(current, there)
    // Carried already, by a run that died before it could write it down.
    if (row !== undefined && sameRecord(digestAt(records, row), digest)) continue
    if (!isUntouched(entry, digest)) {
      conflicts.push(id)
      continue
    }
    remove.push(id)
    if (row !== undefined) write.push(row)
  }
  return { write, remove, conflicts }
}

/** Whether the target has what the copy left there. */
function isUntouched(entry: LedgerEntry | undefined, digest: string): boolean {
  const left = entry?.target ?? null
  return left !== null && sameRecord(left, digest)
}

function digestAt(batch: RecordBatch, row: number): string {
  return digestRows(pickRows(batch, [row]))[0] ?? ''
}

async function fetchRows(
  job: LateJob,
  collection: CollectionDefinition,
  ids: readonly string[],
): Promise<RecordBatch> {
  const pieces: RecordBatch[] = []
  for await (const batch of readByIds({ ...job, collection, vectors: true }, once(ids))) pieces.push(batch)
  return concatBatches(pieces)
}

export function sum(a: Carried, b: Carried): Carried {
  return { carried: a.carried + b.carried, conflicts: a.conflicts + b.conflicts }
}
