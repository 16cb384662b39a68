import type { JsonValue } from '../../core/json.js'
import type { Undo } from '../step-outcome.js'

/**
 * `running` is turned into `interrupted` by whoever gets the lock next: the lock proves that its owner is gone.
 * `failed`: it threw; what it had finished is kept, and `up` continues behind it once the file is mended.
 */
export type RowStatus = 'running' | 'interrupted' | 'failed' | 'applied' | 'reverted' | 'skipped' | 'baseline'

/** What the state knows of one migration. Everything else is in the events of the history. */
export interface MigrationRow {
  readonly version: string
  readonly name: string
  readonly status: RowStatus
  /** `b1:<sha-256>` of the file and its local imports. */
  readonly checksum: string
  readonly direction: 'up' | 'down'
  /** Counts from 1. */
  readonly attempt: number
  readonly runId: string
  readonly lockId: string
  readonly actor: string
  readonly host: string
  readonly toolVersion: string
  readonly serverVersion: string
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly steps: readonly StepRow[]
  /** The backup that was made before the first write that cannot be undone. */
  readonly backup: MigrationBackup | null
  /** Names of all collections that its steps read or write; null: code of its own, which may touch any. */
  readonly touched: readonly string[] | null
  /** The collections that it touched, as they were when it ended. */
  readonly fingerprints: readonly CollectionFingerprint[]
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface StepRow {
  /** Of the operation and its arguments: a finished step that reads otherwise now is refused. */
  readonly hash: string
  /** For people: `docs copyAndSwap`. */
  readonly title: string
  readonly state: 'running' | 'done'
  /** What the step has put into its journal. */
  readonly progress: JsonValue
  readonly undo: Undo | null
  readonly notes: readonly string[]
}

export interface BackupReference {
  readonly repository: string
  readonly id: string
}

export interface MigrationBackup extends BackupReference {
  /** Names of the collections in it, at that time. */
  readonly collections: readonly string[]
  /** It was made right before this step, counted from 1. */
  readonly beforeStep: number
}

export interface CollectionFingerprint {
  readonly name: string
  /** Null: the migration left no collection of this name. */
  readonly id: string | null
  readonly dimension: number | null
  readonly space: string
  readonly count: number
}
