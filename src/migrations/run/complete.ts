import { KEEP_UNTIL_KEY, KEPT_KEY, TRASH_KEY } from '../../core/migration-keys.js'
import type { CollectionDefinition } from '../../core/records.js'
import { completeSwap } from '../swap/complete-swap.js'
import type { MigrationRow } from '../state/row.js'
import { readState } from '../state/state-store.js'
import type { Undo } from '../step-outcome.js'
import { dropIdleLedgers, idleLedgers } from './idle-ledgers.js'
import type { MigrationJob } from './migration-job.js'
import { newRunId, whileLocked, type Session } from './session.js'
import { addEvent, stepContext } from './step-context.js'

export interface CompleteJob extends MigrationJob {
  /** Only what was kept by this version; null: by any. */
  readonly version: string | null
  /** Also what is still to be kept. Without it: only what is older than its keep time. */
  readonly early: boolean
  readonly apply: boolean
  /** Also what was written to since it was replaced, or of which that cannot be told. */
  readonly acceptDataLoss: boolean
}

/** A collection that a migration has replaced or dropped, and kept for the way back. */
export interface KeptCollection {
  readonly name: string
  readonly id: string
  /** The migration. */
  readonly version: string
  readonly kind: 'replaced' | 'trash'
  readonly records: number
  /** ISO 8601; null: for ever. */
  readonly keepUntil: string | null
  /** Whether it is dropped by this run. */
  readonly due: boolean
}

export interface CompleteResult {
  readonly applied: boolean
  readonly collections: readonly KeptCollection[]
}

/**
 * Drops old collections whose time is over; there is no way back past their migrations afterwards. Rejects with a
 * GuardError `KEPT_WRITTEN_TO` (15) for one that an application still writes to, `KEPT_UNKNOWN` (15) where that cannot
 * be told.
 */
export async function complete(job: CompleteJob): Promise<CompleteResult> {
  const { rows } = await readState(job, job.signal)
  const collections = await chosen(job, rows)
  if (!job.apply) return { applied: false, collections }
  const isDue = collections.some(({ due }) => due)
  if (!isDue && (await idleLedgers(job, rows, job)).length === 0) return { applied: false, collections }
  return whileLocked(job, { runId: newRunId(), phase: 'complete' }, async (session) => {
    // What was kept may have its name back by now, by a run that was waited for or has died.
    const state = await session.state()
    const now = await chosen(job, state.rows)
    for (const kept of now.filter(({ due }) => due)) await drop(session, kept, job)
    await dropIdleLedgers(session, state, job.version)
    return { applied: now.some(({ due }) => due), collections: now }
  })
}

async function chosen(job: CompleteJob, rows: readonly MigrationRow[]): Promise<readonly KeptCollection[]> {
  const found = await listKept(job, rows)
  return found.filter(({ version }) => job.version === null || version === job.version)
}

/** What migrations have kept, by name. Reads only. */
export async function listKept(
  job: MigrationJob & Partial<Pick<CompleteJob, 'early'>>,
  rows: readonly MigrationRow[],
): Promise<readonly KeptCollection[]> {
  const { api, tenant, database, now, signal, early = false } = job
  const kept: KeptCollection[] = []
  for (const collection of await api.listCollections(tenant, database, signal)) {
    const entry = keptEntry(collection)
    if (entry === null) continue
    const over = entry.keepUntil !== null && entry.keepUntil <= now().toISOString()
    // While its migration is under way it is the only copy, perhaps.
    const settled = rows.find(({ version }) => version === entry.version)?.status
    const due = (over || early) && settled !== 'running' && settled !== 'interrupted' && settled !== 'failed'
    kept.push({ ...entry, records: await api.count(collection, signal), due })
  }
  return kept.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function keptEntry({
  name,
  id,
  metadata,
}: CollectionDefinition): Omit<KeptCollection, 'records' | 'due'> | null {
  const replaced = metadata?.get(KEPT_KEY)
  const trash = metadata?.get(TRASH_KEY)
  const version = replaced ?? trash
  if (typeof version !== 'string') return null
  const until = metadata?.get(KEEP_UNTIL_KEY)
  const kind = replaced === undefined ? 'trash' : 'replaced'
  return { name, id, version, kind, keepUntil: typeof until === 'string' ? until : null }
}

async function drop(
  session: Session,
  kept: KeptCollection,
  { acceptDataLoss }: Pick<CompleteJob, 'acceptDataLoss'>,
): Promise<void> {
  const { job, lock, signal } = session
  const { tenant, database, api } = job
  const state = await session.state()
  await lock.check()
  const swap = swapOf(state.row(kept.version), kept.id)
  if (swap === null) await api.deleteCollection({ tenant, database, name: kept.name, id: kept.id }, signal)
  else
    await completeSwap(swap.undo, stepContext(session, state, kept.version, swap.at), {
      acceptDataLoss,
    })
  if (state.row(kept.version) === null) return
  await addEvent({ session, state, version: kept.version }, 'completed', `${kept.name} was dropped`)
}

/** Null: the state knows nothing of a swap that has kept this collection. */
function swapOf(
  row: MigrationRow | null,
  id: string,
): { readonly undo: Extract<Undo, { readonly kind: 'swapBack' }>; readonly at: number } | null {
  for (const [at, { undo }] of (row?.steps ?? []).entries())
    if (undo?.kind === 'swapBack' && undo.kept.id === id) return { undo, at }
  return null
}
