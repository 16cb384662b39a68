import type { MigrationJob } from './migration-job.js'

export type Repair =
  /** Takes the checksums of the files as they are now. */
  | { readonly kind: 'checksums' }
  /** The operator has done by hand what this migration does. */
  | { readonly kind: 'markApplied'; readonly version: string }
  /** The operator has taken back by hand what this migration did. */
  | { readonly kind: 'markRolledBack'; readonly version: string }
  /** Removes the row of a migration; its events stay. */
  | { readonly kind: 'forget'; readonly version: string }

export interface RepairJob extends MigrationJob {
  readonly repair: Repair
  /** False: says what would be done. */
  readonly apply: boolean
}

export interface RepairResult {
  readonly applied: boolean
  /** One sentence for each change. Empty: there is nothing to repair. */
  readonly actions: readonly { readonly version: string; readonly message: string }[]
}

/** Changes the history, never the data. Rejects with a MigrationNotFoundError (10) or a LockedError (11). */
export async function repair(_job: RepairJob): Promise<RepairResult> {
  throw new Error('not there yet')
}

export interface BaselineResult {
  /** What is recorded as already there. */
  readonly versions: readonly string[]
}

/**
 * Begins the history of a database that has collections already: every migration up to and including
 * `version` is recorded as there without being run; null: none. Rejects with a GuardError `HISTORY_EXISTS`
 * (15) when a migration was applied by a run.
 */
export async function baseline(
  _job: MigrationJob & { readonly version: string | null; readonly dryRun: boolean },
): Promise<BaselineResult> {
  throw new Error('not there yet')
}
