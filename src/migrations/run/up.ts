import type { MigrationPlan } from '../plan/migration-plan.js'
import type { MigrationJob } from './migration-job.js'
import type { RunResult } from './result.js'

export interface UpJob extends MigrationJob {
  /** At most so many migrations; null: all. */
  readonly limit: number | null
  /** Up to and including this version; null: the newest. */
  readonly to: string | null
  /** Refuses when versions, checksums or collections are not those of this plan any more. */
  readonly plan: MigrationPlan | null
  /** Records or collections may be lost for good. */
  readonly allowDestructive: boolean
  /** `non-linear`: also a migration older than the newest applied one, if it provably touches nothing of those. */
  readonly execOrder: 'linear' | 'non-linear'
  /** The operator answers for a way back. */
  readonly skipBackup: boolean
  /** Takes a database that has collections and no history as it is, and applies every migration to it. */
  readonly adopt: boolean
}

/**
 * Applies pending migrations, in order. An interrupted or failed one is continued first. At head nothing is
 * locked or written, and at most three requests are sent.
 *
 * Rejects before anything has changed with: MigrationDriftError (3), MigrationUndecidedError (17), a GuardError
 * `DESTRUCTIVE`, `BACKUP_NEEDED`, `NO_HISTORY`, `ENVIRONMENT_DIFFERS` or `PLAN_OUTDATED` (15), LockedError (11),
 * StateUnsupportedError (16), MigrationNotFoundError (10), a failed `check`, or the errors of the files (2).
 */
export async function up(_job: UpJob): Promise<RunResult> {
  throw new Error('not there yet')
}
