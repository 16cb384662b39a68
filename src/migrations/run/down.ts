import type { MigrationJob } from './migration-job.js'
import type { RunResult } from './result.js'

export interface DownJob extends MigrationJob {
  /** How many, newest first. Ignored with `to`. */
  readonly count: number
  /** Reverts every migration above this version, which stays; `0` for all. Null: `count`. */
  readonly to: string | null
  /** Brings back the backup that was made before what cannot be undone. */
  readonly restore: boolean
  /** Records written since the cutover that cannot be carried back may be lost. */
  readonly acceptDataLoss: boolean
  /** The database is stamped as production, and this is meant all the same. */
  readonly allowProduction: boolean
  /** Says what would be done; writes nothing, takes no lock. */
  readonly dryRun: boolean
}

/**
 * Reverts applied migrations: by the definition's `down`, else by undoing its steps in reverse order.
 *
 * Rejects before anything has changed with an {@link IrreversibleError} (15), a GuardError `PRODUCTION` or
 * `DATA_LOSS` (15), MigrationUndecidedError (17), MigrationNotFoundError (10), LockedError (11).
 */
export async function down(_job: DownJob): Promise<RunResult> {
  throw new Error('not there yet')
}

/** `down` of the newest `count` migrations, and `up` of the same. Both halves have their results. */
export async function redo(_job: DownJob & { readonly skipBackup: boolean }): Promise<RunResult> {
  throw new Error('not there yet')
}
