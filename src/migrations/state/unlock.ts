import { STALE_LOCK_PREFIX } from '../../core/migration-keys.js'
import { sweep } from './acquire-lock.js'
import { LockChangedError } from './lock-errors.js'
import type { LockInfo } from './lock-info.js'
import { findLock, setAside, type LockPlace } from './lock-requests.js'

/** Who holds the lock; null: nobody. Reads only. */
export async function readLock(place: LockPlace, signal?: AbortSignal): Promise<LockInfo | null> {
  return findLock(place, signal)
}

/** A run whose signs of life are on their way can take the name back. */
const ATTEMPTS = 5

/**
 * Takes the lock away from the run that has shown it under this id, without waiting until it is silent, and sweeps
 * what is left of older ones. A run that is alive after all writes nothing more from its next sign of life on, which
 * is two fifths of its time to live away at most. Rejects with a {@link LockChangedError} (11).
 */
export async function unlock(place: LockPlace, lockId: string, signal?: AbortSignal): Promise<LockInfo> {
  const holder = await findLock(place, signal)
  if (holder?.id !== lockId) throw new LockChangedError(lockId, holder)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if ((await setAside(place, holder, STALE_LOCK_PREFIX, signal)) === 'gone') break
    await sweep(place, signal)
  }
  return holder
}
