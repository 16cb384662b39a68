import { createHash } from 'node:crypto'
import path from 'node:path'

import { BlobNotFoundError, type BlobStore } from '../storage/blob-store.js'
import { hasBlob } from '../storage/has-blob.js'
import { LocalStore } from '../storage/local-store.js'
import { parseBackupId } from './backup-id.js'
import { SpoolForeignError } from './spool-errors.js'
import { encodeDocument } from './documents.js'
import { describeRepository, initMirror, type Repository } from './repository.js'

/**
 * Where backups wait while their repository is away: a repository of its own in a local folder, with the id and the
 * keys of the one that they are for. So what is encrypted there is encrypted here, and is moved as it is.
 */
export interface Spool {
  readonly folder: string
  readonly store: BlobStore
}

/** Pages of `sessions/` for the repository, one for each backup that waits; see {@link announce}. */
const PUSH_PREFIX = 'push/'

/** The spool of one repository, by its address without secrets, in a folder that may hold those of several. */
export function openSpool(spoolDir: string, repositoryUrl: string): Spool {
  const hash = createHash('sha256').update(repositoryUrl).digest('hex').slice(0, 8)
  const words = repositoryUrl.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')
  const folder = path.join(spoolDir, `${words.slice(-40).replace(/^-/, '')}-${hash}`)
  return { folder, store: new LocalStore(folder) }
}

/** Whether the repository was seen before: only then is it known what its backups must look like. */
export async function isPrepared({ store }: Spool, signal?: AbortSignal): Promise<boolean> {
  return hasBlob(store, 'repo.json', signal)
}

/**
 * Notes what the repository is, for the time when it is away. Rejects with a {@link SpoolForeignError} (15) when
 * backups of another repository wait here.
 */
export async function prepareSpool(
  spool: Spool,
  repository: Repository,
  signal?: AbortSignal,
): Promise<void> {
  const { store } = spool
  if (!(await initMirror(repository.store, store, signal)))
    await refuseForeign(spool, repository.store, signal)
  // Slots come and go; the key that they wrap stays.
  const wanted = await keysIn(repository.store, 'keys/', signal)
  for (const key of await keysIn(store, 'keys/', signal))
    if (!wanted.includes(key)) await store.delete(key, signal)
  for (const key of wanted) await store.put(key, (await repository.store.get(key, { signal })).bytes, signal)
}

/** Rejects with a {@link SpoolForeignError} (15) unless the repository is the one that the spool is for. */
export async function refuseForeign(
  spool: Spool,
  repository: BlobStore,
  signal?: AbortSignal,
): Promise<void> {
  const [own, other] = [
    await describeRepository({ store: spool.store, signal }),
    await describeRepository({ store: repository, signal }),
  ]
  if (own.id === other.id && own.isEncrypted === other.isEncrypted) return
  throw new SpoolForeignError(spool.folder, own.id, repository.displayUrl, other.id)
}

/** Ids of the backups that wait, the oldest first. */
export async function spooledBackups({ store }: Spool, signal?: AbortSignal): Promise<readonly string[]> {
  const keys = await keysIn(store, 'backups/', signal)
  const ids = keys.map((key) => key.slice('backups/'.length, -'.json'.length))
  return ids.filter((id) => parseBackupId(id) !== null).sort()
}

/**
 * Writes down what announces the backup in the repository while it is moved there: whoever moves it may have no key.
 */
export async function announce(
  { store }: Spool,
  repository: Repository,
  job: {
    readonly backup: string
    readonly pins: readonly string[]
    readonly host: string
    readonly actor: string
  },
): Promise<void> {
  const key = `sessions/${job.backup}.json`
  const facts = { format: 1, kind: 'push', ...job, process: null, settled: true }
  await store.put(announcementKey(job.backup), encodeDocument(repository, 'session', key, facts))
}

/** The bytes of `sessions/<id>.json`; null where the run was killed before it could write them. */
export async function announcementOf({ store }: Spool, backup: string, signal?: AbortSignal) {
  try {
    return (await store.get(announcementKey(backup), { signal })).bytes
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    throw error
  }
}

export function announcementKey(backup: string): string {
  return `${PUSH_PREFIX}${backup}.json`
}

export async function keysIn(store: BlobStore, prefix: string, signal?: AbortSignal): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix, signal)) keys.push(key)
  return keys
}
