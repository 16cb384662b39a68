import type { CollectionFingerprint, RowStatus } from '../state/row.js'
import { readState } from '../state/state-store.js'
import { observeLock } from '../state/watch-lock.js'
import { listKept, type KeptCollection } from './complete.js'
import { rowsHere } from './environment.js'
import { loadKnown } from './load-known.js'
import type { MigrationJob } from './migration-job.js'
import { headOf } from './select.js'
import { findingsOf } from './status-findings.js'
import { statesOf } from './status-states.js'
import { describeLock } from './unlock.js'

export interface MigrationStatus {
  readonly displayUrl: string
  readonly tenant: string
  readonly database: string
  /** The stamp of the database; null: none. */
  readonly environment: string | null
  /** False: nobody has ever migrated this database. */
  readonly hasHistory: boolean
  /** The newest applied version; null: none. */
  readonly head: string | null
  /** By version. */
  readonly migrations: readonly MigrationState[]
  /** What is not as it should be: `pending` is not in here. */
  readonly findings: readonly StatusFinding[]
  /** Null: nobody migrates now. */
  readonly lock: LockDescription | null
  readonly kept: readonly KeptCollection[]
}

export interface MigrationState {
  readonly version: string
  readonly name: string
  /**
   * `missing`: applied, no file. `future`: like missing, newer than every file here. `modified`: applied, and
   * the file reads otherwise now. `running`: by the holder of the lock.
   */
  readonly status: RowStatus | 'pending' | 'missing' | 'future' | 'modified'
  /** Pending, though a later one is applied. */
  readonly outOfOrder: boolean
  readonly appliedAt: string | null
  readonly ms: number | null
  readonly actor: string | null
  /** Of one that is not finished: `step 2 of 3, docs copyAndSwap: COPYING 3,500 of 20,000`. */
  readonly progress: string | null
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface StatusFinding {
  readonly code:
    | 'OUT_OF_ORDER'
    | 'CHECKSUM_CHANGED'
    | 'MIGRATION_MISSING'
    | 'FUTURE_VERSION'
    | 'MIGRATION_INTERRUPTED'
    | 'MIGRATION_FAILED'
    | 'NO_HISTORY'
    /** A collection is not the one that a migration left: another id, space or dimension, or gone. */
    | 'COLLECTION_DRIFT'
    | 'STALE_LOCK'
  readonly version: string | null
  readonly message: string
  /** The next command. */
  readonly hint: string | null
  /** Of `COLLECTION_DRIFT`. */
  readonly expected?: CollectionFingerprint
  readonly actual?: Omit<CollectionFingerprint, 'count'> | null
}

export interface LockDescription {
  readonly id: string
  readonly owner: string
  readonly host: string
  readonly pid: number
  readonly runId: string
  /** What the run is at: `00007, step 2 of 3: docs copyAndSwap`. */
  readonly phase: string
  /** ISO 8601, by the holder's clock. */
  readonly since: string
  readonly lastBeat: string | null
  /** Whether it has not been renewed while it was looked at for its ttl. Null: not looked at that long. */
  readonly stale: boolean | null
}

/** Reads only: creates nothing and takes no lock. Rejects with a StateUnsupportedError (16) or the errors of files (2). */
export async function status(job: MigrationJob): Promise<MigrationStatus> {
  const { api, tenant, database, signal } = job
  const files = await loadKnown(job)
  const contents = await readState(job, signal)
  const observed = await observeLock({ api, tenant, database }, 0, signal)
  const collections = await api.listCollections(tenant, database, signal)
  const lock = observed === null ? null : describeLock(observed.holder, observed.stale)
  const rows = rowsHere(contents, files, job.environment)
  const states = statesOf(files, rows, lock)
  return {
    displayUrl: api.transport.displayUrl,
    ...{ tenant, database, lock },
    environment: contents.environment,
    hasHistory: contents.exists,
    head: headOf(rows),
    migrations: states,
    findings: findingsOf({ states, contents, collections, lock }),
    kept: await listKept(job, contents.rows),
  }
}

/** What `--fail-on` names. */
export type StatusCondition = 'pending' | 'drift' | 'dirty'

const DRIFT: ReadonlySet<StatusFinding['code']> = new Set([
  'OUT_OF_ORDER',
  'CHECKSUM_CHANGED',
  'MIGRATION_MISSING',
  'FUTURE_VERSION',
  'COLLECTION_DRIFT',
])
const DIRTY: ReadonlySet<StatusFinding['code']> = new Set([
  'MIGRATION_INTERRUPTED',
  'MIGRATION_FAILED',
  'STALE_LOCK',
])

/** Which of these hold. `dirty`: begun and not finished. */
export function conditionsOf({ migrations, findings }: MigrationStatus): ReadonlySet<StatusCondition> {
  const conditions = new Set<StatusCondition>()
  if (migrations.some(isPending)) conditions.add('pending')
  if (findings.some(({ code }) => DRIFT.has(code))) conditions.add('drift')
  if (findings.some(({ code }) => DIRTY.has(code))) conditions.add('dirty')
  return conditions
}

function isPending(migration: MigrationState): boolean {
  return migration.status === 'pending' || migration.status === 'reverted'
}
