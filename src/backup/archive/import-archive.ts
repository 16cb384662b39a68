import { isDeepStrictEqual } from 'node:util'

import { GuardError, IntegrityError } from '../../core/errors.js'
import { copyBackups, isSameKey, type CopyRepositoryJob } from '../copy-repository.js'
import { decodeHead, manifestKey, type BackupHead } from '../manifest.js'
import type { Repository } from '../repository.js'

export type ImportArchiveJob = Omit<CopyRepositoryJob, 'backups'> & {
  /** The backup of the archive, `from`. */
  readonly head: BackupHead
}

export interface ArchiveImported {
  /** False: the backup was there already. */
  readonly added: boolean
  /** Objects written, and their bytes; what was there is not written again. */
  readonly objects: number
  readonly bytes: number
}

/**
 * Puts the backup of an archive into a repository, under its own id: byte by byte, or written anew where the two have
 * different keys. The manifest comes last: what fails leaves no backup behind.
 *
 * Rejects with an IntegrityError (13) when the archive is damaged; with a GuardError (15) when the backup was removed
 * there, or another one has its id; as locked (11), or with an error of a store.
 */
export async function importArchive({ head, ...job }: ImportArchiveJob): Promise<ArchiveImported> {
  const { copied, removed, failed, objects, bytes } = await copyBackups({ ...job, backups: [head] })
  const [failure] = failed
  if (failure !== undefined)
    throw new IntegrityError(`the archive is damaged: ${failure.message}`, {
      hint: 'take another copy of the archive; no backup was added to the repository',
    })
  if (removed.length > 0)
    throw new GuardError(
      'BACKUP_REMOVED',
      `${head.id} was removed from the repository and is still in its trash`,
      {
        hint: `put it back: "chroma-ops backup undelete ${head.id}"`,
      },
    )
  const added = copied.length > 0
  if (!added) await refuseOther(job, head.id)
  return { added, objects, bytes }
}

/** Two backups with one id: one of them is not what its name says. */
async function refuseOther({ from, to, signal }: Omit<ImportArchiveJob, 'head'>, id: string): Promise<void> {
  if (!isSameKey(from, to)) return
  const read = async (repository: Repository) =>
    decodeHead(repository, id, (await repository.store.get(manifestKey(id), { signal })).bytes)
  // Bytes say nothing: a copy is encrypted and written anew, its fields maybe in another order.
  if (isDeepStrictEqual(await read(to), await read(from))) return
  throw new GuardError('BACKUP_OTHER', `the repository holds another backup with the id ${id}`, {
    hint: 'import the archive into a repository of its own, with --init',
  })
}
