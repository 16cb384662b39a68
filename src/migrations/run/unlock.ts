import { UsageError } from '../../core/errors.js'
import { LockChangedError } from '../state/lock-errors.js'
import type { LockInfo } from '../state/lock-info.js'
import { readLock, unlock as takeAway } from '../state/unlock.js'
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

/**
 * Takes the lock away from a holder that is known to be gone: without waiting until it is stale. Rejects with a
 * {@link LockChangedError} (11) when somebody else holds it by now.
 */
export async function unlock(job: UnlockJob): Promise<UnlockResult> {
  const { lockId, apply, signal } = job
  const holder = await readLock(job, signal)
  if (holder === null) return { lock: null, removed: false }
  if (lockId !== null && lockId !== holder.id) throw new LockChangedError(lockId, holder)
  const lock = describeLock(holder, null)
  if (!apply) return { lock, removed: false }
  if (lockId === null)
    throw new UsageError('which lock is to be taken away must be said', {
      hint: `look who holds it, and then: chroma-ops migrate unlock --lock-id ${holder.id} --apply`,
    })
  await takeAway(job, lockId, signal)
  return { lock, removed: true }
}

export function describeLock(holder: LockInfo, stale: boolean | null): LockDescription {
  const { id, owner, process, runId, phase, since, lastBeat } = holder
  return { id, owner, host: process.host, pid: process.pid, runId, phase, since, lastBeat, stale }
}
