import type { ChromaApi } from '../../chroma/api.js'
import { isLedger } from '../../core/own-collections.js'
import type { CollectionDefinition } from '../../core/records.js'
import { dropCollection } from '../../transfer/commit-shadow.js'
import type { MigrationRow } from '../state/row.js'
import type { StateWriter } from '../state/state-writer.js'
import { progressFromJson } from '../swap/progress.js'
import { versionOfLedger } from '../swap/shadow-collection.js'
import { isUnfinished } from './select.js'
import type { Session } from './session.js'

interface Place {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
}

/**
 * Lists of what a copy-and-swap has copied that nobody asks any more: their migration is settled, and no step of it
 * names them. A way back leaves one when it has left records behind, and so does what was dropped by hand.
 * `version`: only of this migration; null: of all.
 */
export async function idleLedgers(
  { api, tenant, database }: Place,
  rows: readonly MigrationRow[],
  { version, signal }: { readonly version: string | null; readonly signal: AbortSignal },
): Promise<readonly CollectionDefinition[]> {
  const needed = new Set(rows.flatMap(ledgersOf))
  const busy = new Set(rows.filter(isUnfinished).map((row) => row.version))
  const all = await api.listCollections(tenant, database, signal)
  return all.filter((collection) => {
    const owner = versionOfLedger(collection)
    if (!isLedger(collection) || owner === null || (version !== null && owner !== version)) return false
    return !busy.has(owner) && !needed.has(collection.id)
  })
}

/** Removes them. The lock is asked before each. */
export async function dropIdleLedgers(
  { job, lock, signal }: Session,
  state: StateWriter,
  version: string | null,
): Promise<void> {
  for (const ledger of await idleLedgers(job, state.rows, { version, signal })) {
    await lock.check()
    await dropCollection(job.api, ledger, signal)
  }
}

function ledgersOf({ steps }: MigrationRow): readonly string[] {
  return steps.flatMap(({ undo, progress }) => {
    const kept = undo?.kind === 'swapBack' ? undo.ledger?.id : undefined
    const building = progressFromJson(progress)?.ledgerId
    return [kept, building].filter((id) => typeof id === 'string')
  })
}
