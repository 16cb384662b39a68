import { GuardError } from '../core/errors.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import { openDataDirectory, type DataDirectory } from '../datadir/data-directory.js'
import { DirectoryTooOldError, eraseFromDirectory } from '../datadir/erase-directory.js'
import type { ErasedRecords } from '../transfer/restore-plan.js'
import { Erasures, type ErasedIds } from './erasures.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'

export interface EraseStagedJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** The files of a physical backup, ours alone. */
  readonly folder: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Erases from the files of a physical backup what was erased from its source since, so that a restore does not
 * bring it back; null when nothing had to be. Leaves the folder of our own lock behind. Rejects with a GuardError `ERASED_NOT_REMOVABLE` (15) when the files are of a release whose
 * directories are not changed.
 */
export async function eraseStaged(job: EraseStagedJob): Promise<readonly ErasedRecords[] | null> {
  const { repository, head, folder, signal } = job
  const erasures = await Erasures.read(repository, signal)
  const doomed = new Map<string, ReadonlySet<string>>()
  const data = await openDataDirectory(folder, { mode: 'write' })
  try {
    for (const definition of data.collections()) {
      const erased = erasures.in(head, definition)
      if (erased !== null) doomed.set(displayName(definition), idsIn(data, definition, erased))
    }
  } finally {
    data.close()
  }
  if ([...doomed.values()].every((ids) => ids.size === 0)) return null
  try {
    const none: ReadonlySet<string> = new Set()
    const { collections } = await eraseFromDirectory({
      directory: folder,
      idsIn: (name) => doomed.get(displayName(name)) ?? none,
      serverStopped: true,
      signal,
    })
    return collections
      .map((holding) => ({ collection: displayName(holding), records: holding.records.length }))
      .filter(({ records }) => records > 0)
  } catch (error) {
    if (!(error instanceof DirectoryTooOldError)) throw error
    throw new GuardError('ERASED_NOT_REMOVABLE', `backup ${head.id} holds records that were erased since`, {
      hint: 'restore its records into a server with --url, or give --include-erased',
      cause: error,
    })
  }
}

/** Of the records, and of the log: it holds deleted records too. */
function idsIn({ database, segments }: DataDirectory, { id }: CollectionDefinition, erased: ErasedIds) {
  const segment = segments.find((each) => each.collectionId === id && each.scope === 'METADATA')?.id ?? ''
  const found = new Set<string>()
  const rows = database.iterate(
    `SELECT embedding_id AS id FROM embeddings WHERE segment_id = ?
     UNION SELECT id FROM embeddings_queue WHERE substr(topic, -36) = ?`,
    segment,
    id,
  )
  for (const { id: record } of rows) if (typeof record === 'string' && erased.has(record)) found.add(record)
  return found
}
