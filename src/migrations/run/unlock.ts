import type { MigrationJob } from './migration-job.js'
import type { LockDescription } from './status.js'

export interface UnlockJob extends MigrationJob {
  /** As `status` shows it; another holder's lock stays. Null with `apply: false`: says who holds it. */
  readonly lockId: string | null
  readonly apply: boolean
}

export interface UnlockResult {
  /** Null: there was none. */
  readonly lock: LockDescription | null
  readonly removed: boolean
}

/** Takes the lock away from a holder that is known to be gone: without waiting until it is stale. */
export async function unlock(_job: UnlockJob): Promise<UnlockResult> {
  throw new Error('not there yet')
}
