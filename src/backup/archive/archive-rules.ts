import { IntegrityError } from '../../core/errors.js'
import { MAX_BLOB_BYTES } from '../../storage/blob-store.js'
import { isKey } from '../../storage/keys.js'
import { parseBackupId } from '../backup-id.js'
import { SUMS } from './archive-entries.js'

const HINT = 'an archive is what "chroma-ops backup export" writes; make it again, or take another copy of it'

/** What may be in an archive. Objects keep the names of the backups that wrote them. */
const NAMES = [
  /^repo\.json$/,
  /^keys\/[A-Za-z0-9._-]+\.json$/,
  /^erased\/[A-Za-z0-9._-]+\.json$/,
  /^(tags|holds|verified)\/[0-9A-Za-z-]+\.json$/,
  /^objects\/[0-9A-Za-z-]+\/[0-9a-f]{32}\.[0-9a-f]{64}$/,
]

/**
 * Throws an {@link IntegrityError} (13) for a file that has no place in an archive: a name that leads out of it, more
 * bytes than a blob may have, or anything that is not of a repository.
 */
export function checkArchiveName(name: string, size: number, where: string): void {
  const isKnown = name === SUMS || backupIn(name) !== null || NAMES.some((pattern) => pattern.test(name))
  if (!isKey(name) || !isKnown) {
    const shown = JSON.stringify(name.slice(0, 200))
    throw new IntegrityError(`${where} holds ${shown}, which is not part of a backup`, { hint: HINT })
  }
  if (size > MAX_BLOB_BYTES)
    throw new IntegrityError(`${where}: ${name} has ${size} bytes, more than a file of a backup may have`, {
      hint: HINT,
    })
}

/** The id, when it is the name of a manifest; else null. */
export function backupIn(name: string): string | null {
  const id = /^backups\/(.+)\.json$/.exec(name)?.[1]
  return id === undefined || parseBackupId(id) === null ? null : id
}

/** The one backup of an archive. Throws an {@link IntegrityError} when there is none, or there are several. */
export function onlyBackup(names: Iterable<string>, where: string): string {
  const ids = [...names].flatMap((name) => backupIn(name) ?? [])
  const [id] = ids
  if (id !== undefined && ids.length === 1) return id
  throw new IntegrityError(
    ids.length === 0 ? `${where} holds no backup` : `${where} holds ${ids.length} backups instead of one`,
    { hint: HINT },
  )
}
