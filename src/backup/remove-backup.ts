import { randomUUID } from 'node:crypto'

import { BlobNotFoundError, StoreAccessError } from '../storage/blob-store.js'
import { HOLD, isHeld, readMark } from './backup-marks.js'
import type { BackupDecision } from './decide-retention.js'
import { DeletionNotAllowedError } from './maintenance-errors.js'
import type { MaintenanceLease } from './maintenance-lease.js'
import { manifestKey } from './manifest.js'
import type { ApplyPruneJob } from './prune-job.js'
import type { Repository } from './repository.js'
import { refuseSkew } from './survey-repository.js'
import { trashKey, writeTrash } from './trash.js'

/**
 * Takes a backup out of the list and puts it into the trash; in this order, so that it is never in neither. False:
 * it was held meanwhile, or is gone, and nothing was done.
 */
export async function removeBackup(
  job: ApplyPruneJob,
  lease: MaintenanceLease,
  { id }: BackupDecision,
): Promise<boolean> {
  const { repository, actor, host, named, signal } = job
  const why = named === null ? 'no rule of the retention keeps it' : 'it was named'
  try {
    await lease.confirm()
    await writeTrash(repository, { id, actor, host, why }, signal)
  } catch (error) {
    if (error instanceof BlobNotFoundError) return false
    throw error
  }
  const hold = await readMark(repository, HOLD, id, signal)
  await lease.confirm()
  if (isHeld(hold ?? undefined, await repository.store.storeTime(signal))) {
    await deleteKey(repository, trashKey(id), signal)
    return false
  }
  await deleteKey(repository, manifestKey(id), signal)
  return true
}

/**
 * Before anything else is changed: rejects with a {@link DeletionNotAllowedError} (14), and with a ClockSkewError (15)
 * when the time that the store gives to a blob is not this machine's. A network file system has its own clock.
 */
export async function tryDeletion(
  repository: Repository,
  now: () => Date,
  signal: AbortSignal | undefined,
): Promise<void> {
  const key = `probe/${randomUUID()}-deletion`
  await repository.store.put(key, Buffer.from('may this be deleted?\n'), signal)
  const { modified } = await repository.store.stat(key, signal)
  await deleteKey(repository, key, signal)
  refuseSkew(now(), modified)
}

export async function deleteKey(
  { store }: Repository,
  key: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await store.delete(key, signal)
  } catch (error) {
    if (!(error instanceof StoreAccessError)) throw error
    throw new DeletionNotAllowedError(`these credentials may not delete ${key} in ${store.displayUrl}`, {
      hint: 'prune with credentials of its own, which may list, read, write and delete; a writer of backups should not',
      cause: error,
    })
  }
}
