import { BlobExistsError } from '../storage/blob-store.js'
import { objectsOf } from './backup-objects.js'
import { BackupError, BackupNotFoundError } from './errors.js'
import { listBackupIds } from './list-backups.js'
import { MaintenanceLease } from './maintenance-lease.js'
import { manifestKey, type BackupHead } from './manifest.js'
import { PresentObjects } from './present-objects.js'
import type { ApplyPruneJob } from './prune-job.js'
import { deleteKey } from './remove-backup.js'
import type { Repository } from './repository.js'
import { listTrash, trashKey, type DamagedTrash, type TrashedBackup } from './trash.js'

export type UndeleteJob = Pick<
  ApplyPruneJob,
  'repository' | 'actor' | 'host' | 'singleWriter' | 'now' | 'signal' | 'leaseTtlMs'
> & {
  /** An id, or the beginning of one. */
  readonly backup: string
}

/**
 * Puts a removed backup back into the list, as it was. Rejects with a BackupNotFoundError (10), a
 * MaintenanceLockedError or LeaseLostError (11), or what is wrong with it (13).
 */
export async function undeleteBackup(job: UndeleteJob): Promise<BackupHead> {
  const { repository, signal } = job
  const lease = await MaintenanceLease.acquire({ ...job, task: 'undelete', ttlMs: job.leaseTtlMs })
  try {
    const { id, manifest, head } = await chooseTrashed(repository, job.backup, signal)
    if (head === null) throw damaged(id)
    await lease.confirm()
    try {
      await repository.store.putNew(manifestKey(id), manifest, signal)
    } catch (error) {
      // Of an undelete that was stopped here.
      if (!(error instanceof BlobExistsError)) throw error
    }
    try {
      // Whoever purges from now on sees the manifest; whoever did it meanwhile is seen here.
      await lease.confirmNow()
      await refuseIncomplete(repository, head, signal)
    } catch (error) {
      await deleteKey(repository, manifestKey(id), undefined)
      throw error
    }
    await deleteKey(repository, trashKey(id), signal)
    return head
  } finally {
    await lease.release()
  }
}

/** What can be put back, the newest first. */
export async function listRemoved(
  repository: Repository,
  signal?: AbortSignal,
): Promise<readonly (TrashedBackup | DamagedTrash)[]> {
  const listed = await listBackupIds(repository, signal)
  return [...(await listTrash(repository, listed, signal))].reverse()
}

async function chooseTrashed(
  repository: Repository,
  selector: string,
  signal: AbortSignal | undefined,
): Promise<TrashedBackup> {
  const removed = await listRemoved(repository, signal)
  const exact = removed.filter(({ id }) => id === selector)
  const found = exact.length > 0 ? exact : removed.filter(({ id }) => id.startsWith(selector))
  const [entry] = found
  if (entry === undefined || found.length > 1) {
    const known = (entry === undefined ? removed : found).slice(0, 5).map(({ id }) => id)
    throw new BackupNotFoundError(
      entry === undefined
        ? `no removed backup ${selector} in ${repository.store.displayUrl}`
        : `several removed backups begin with ${selector}`,
      { hint: known.length === 0 ? 'nothing can be put back' : `choose from: ${known.join(', ')}` },
    )
  }
  if ('damaged' in entry) throw entry.damaged
  return entry
}

async function refuseIncomplete(repository: Repository, head: BackupHead, signal: AbortSignal | undefined) {
  const present = new PresentObjects(repository.store)
  const references = []
  for await (const reference of objectsOf(repository, head, { signal })) references.push(reference)
  const found = await present.indexesOf(references, signal)
  if (found.size === references.length) return
  throw new BackupError(`${references.length - found.size} objects of ${head.id} were purged already`)
}

function damaged(id: string): BackupError {
  return new BackupError(`the manifest of ${id} is damaged, as it was before it was removed`)
}
