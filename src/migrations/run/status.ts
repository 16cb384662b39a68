import type { CollectionFingerprint, RowStatus } from '../state/row.js'
import type { KeptCollection } from './complete.js'
import type { MigrationJob } from './migration-job.js'

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
  readonly actual?: CollectionFingerprint | null
}

export interface LockDescription {
  readonly id: string
  readonly owner: string
  readonly host: string
  readonly runId: string
  /** ISO 8601, by the holder's clock. */
  readonly since: string
  readonly lastBeat: string | null
  /** Whether it has not been renewed while it was looked at for its ttl. Null: not looked at that long. */
  readonly stale: boolean | null
}

/** Reads only: creates nothing and takes no lock. Rejects with a StateUnsupportedError (16) or the errors of files (2). */
export async function status(_job: MigrationJob): Promise<MigrationStatus> {
  throw new Error('not there yet')
}

/** What `--fail-on` names. */
export type StatusCondition = 'pending' | 'drift' | 'dirty'

/** Which of these hold. `dirty`: begun and not finished. */
export function conditionsOf(_status: MigrationStatus): ReadonlySet<StatusCondition> {
  throw new Error('not there yet')
}
