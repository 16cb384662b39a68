import type { JsonValue } from '../core/json.js'

/**
 * The memory of one step of a running migration, kept in the state collection. What is put is durable when
 * the promise resolves; `put` rejects with a LockLostError when this run no longer holds the lock.
 */
export interface StepJournal {
  /** What an earlier run has put for this step; null when there is nothing. */
  read(): JsonValue | null
  put(progress: JsonValue): Promise<void>
}

/** Asked before every write to the user's data. */
export interface WriteGuard {
  /** Rejects with a LockLostError when the lock was lost or could not be renewed in time. */
  check(): Promise<void>
}
