import pLimit from 'p-limit'

import { BlobNotFoundError } from '../storage/blob-store.js'
import { parseBackupId } from './backup-id.js'
import { ManifestDamagedError, RepositoryUnsupportedError } from './errors.js'
import { decodeHead, manifestKey, type BackupHead } from './manifest.js'
import type { Repository } from './repository.js'

const CONCURRENT_READS = 8

/** One backup in a list; the manifest of a damaged one cannot be used. */
export type BackupEntry =
  | { readonly id: string; readonly series: string; readonly head: BackupHead; readonly damaged: null }
  | {
      readonly id: string
      readonly series: string
      readonly head: null
      readonly damaged: ManifestDamagedError | RepositoryUnsupportedError
    }

/**
 * Every committed backup, newest first. One whose manifest is damaged, or too new for this version, is an
 * entry with `damaged`: never hidden, never fatal to the list.
 */
export async function listBackups(
  repository: Repository,
  options: { readonly series?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly BackupEntry[]> {
  const { series, signal } = options
  const limit = pLimit(CONCURRENT_READS)
  const reads: Promise<BackupEntry | null>[] = []
  for await (const { key } of repository.store.list('backups/', signal)) {
    const id = /^backups\/(.+)\.json$/.exec(key)?.[1]
    const known = id === undefined ? null : parseBackupId(id)
    if (id === undefined || known === null) continue
    if (series !== undefined && known.series !== series) continue
    reads.push(limit(() => readEntry(repository, id, known.series, signal)))
  }
  const entries = (await Promise.all(reads)).filter((entry) => entry !== null)
  return entries.sort((a, b) => compareTimes(b, a))
}

/** The ids of all backups; no manifest is read. */
export async function listBackupIds(
  { store }: Repository,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for await (const { key } of store.list('backups/', signal)) {
    const id = /^backups\/(.+)\.json$/.exec(key)?.[1] ?? ''
    if (parseBackupId(id) !== null) ids.add(id)
  }
  return ids
}

/** The entries whose manifest can be used. */
export function readableHeads(entries: readonly BackupEntry[]): readonly BackupHead[] {
  return entries.flatMap(({ head }) => head ?? [])
}

/** Reads and checks one manifest; null when there is none. */
export async function readEntry(
  repository: Repository,
  id: string,
  series: string,
  signal: AbortSignal | undefined,
): Promise<BackupEntry | null> {
  try {
    return { id, series, head: await readHead(repository, id, signal), damaged: null }
  } catch (error) {
    // Deleted since it was listed.
    if (error instanceof BlobNotFoundError) return null
    if (error instanceof ManifestDamagedError || error instanceof RepositoryUnsupportedError) {
      return { id, series, head: null, damaged: error }
    }
    throw error
  }
}

/** What does not match its checksum is read once more, for the network and the disk err too. */
async function readHead(
  repository: Repository,
  id: string,
  signal: AbortSignal | undefined,
): Promise<BackupHead> {
  const { store } = repository
  const read = async () => decodeHead(repository, id, (await store.get(manifestKey(id), { signal })).bytes)
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof ManifestDamagedError)) throw error
    return read()
  }
}

function compareTimes(a: BackupEntry, b: BackupEntry): number {
  return timeOf(a) - timeOf(b) || (a.id < b.id ? -1 : 1)
}

function timeOf({ id, head }: BackupEntry): number {
  return head === null ? (parseBackupId(id)?.created.getTime() ?? 0) : Date.parse(head.created)
}
