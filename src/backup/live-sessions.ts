import * as v from 'valibot'

import { BlobNotFoundError, type BlobInfo } from '../storage/blob-store.js'
import { hasBlob } from '../storage/has-blob.js'
import { parseBackupId } from './backup-id.js'
import { decodeDocument } from './documents.js'
import { BackupError, DocumentDamagedError } from './errors.js'
import { manifestKey } from './manifest.js'
import type { Repository } from './repository.js'

/** A session that was not refreshed for so long, by the store's clock, belongs to a run that may be given up. */
export const SESSION_EXPIRY_MS = 24 * 3_600_000

/** The backups that are being made, as far as the repository knows. */
export interface SessionsFound {
  /** Ids of backups whose run shows signs of life. */
  readonly live: ReadonlySet<string>
  /** Ids of those whose run does not. */
  readonly expired: readonly string[]
  /** For each backup, or killed run, that live runs rely on, one of them. */
  readonly pins: ReadonlyMap<string, string>
}

export interface FindSessionsOptions {
  readonly now: Date
  readonly expiryMs: number
  /** Ids of runs that count as expired, whatever sign of life they give. */
  readonly givenUp?: ReadonlySet<string> | undefined
  readonly signal?: AbortSignal | undefined
}

const sessionSchema = v.object({ backup: v.string(), pins: v.array(v.string()) })

/** Whether the objects of a run are left alone, whoever needs them. */
export function isSpared({ live, pins }: SessionsFound, backup: string): boolean {
  return live.has(backup) || pins.has(backup)
}

/** Rejects with a {@link DocumentDamagedError}: a session whose pins cannot be read could rely on anything. */
export async function findSessions(
  repository: Repository,
  { now, expiryMs, givenUp, signal }: FindSessionsOptions,
): Promise<SessionsFound> {
  const live = new Set<string>()
  const expired: string[] = []
  const pins = new Map<string, string>()
  for await (const info of repository.store.list('sessions/', signal)) {
    const backup = /^sessions\/(.+)\.json$/.exec(info.key)?.[1] ?? ''
    if (parseBackupId(backup) === null) continue
    if (givenUp?.has(backup) === true || now.getTime() - info.modified.getTime() > expiryMs) {
      expired.push(backup)
      continue
    }
    live.add(backup)
    for (const pin of await pinsOf(repository, info, signal)) pins.set(pin, backup)
  }
  // Somebody goes on from them.
  return { live, expired: expired.filter((backup) => !pins.has(backup)), pins }
}

async function pinsOf(
  repository: Repository,
  { key }: BlobInfo,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  try {
    const { bytes } = await repository.store.get(key, { signal })
    const session = v.safeParse(sessionSchema, decodeDocument(repository, 'session', key, bytes))
    if (!session.success) throw new DocumentDamagedError(key, 'is not the record of a session')
    return session.output.pins
  } catch (error) {
    // It ended since it was listed: then its manifest, if there is one, is listed after this.
    if (error instanceof BlobNotFoundError) return []
    throw error
  }
}

/**
 * `locks/<backup id>.json`: the run that makes this backup was given up, and what it wrote may be deleted. It must
 * not commit any more, should it only have been asleep. Only that the key is there counts.
 */
export function fenceKey(backup: string): string {
  return `locks/${backup}.json`
}

export async function fence({ store }: Repository, backup: string, signal?: AbortSignal): Promise<void> {
  await store.put(fenceKey(backup), Buffer.from('{"format":1}\n'), signal)
}

export async function isFenced(repository: Repository, backup: string, signal?: AbortSignal) {
  return hasBlob(repository.store, fenceKey(backup), signal)
}

/** Throws a {@link BackupError} when the backup's own run was given up. */
export async function refuseFenced(repository: Repository, backup: string, signal?: AbortSignal) {
  if (!(await isFenced(repository, backup, signal))) return
  throw new BackupError(`${backup} gave no sign of life for so long that it was given up`, {
    hint: 'run the backup again',
  })
}

/**
 * Whether a run that has pinned `backup` in its session may refer to its objects. To be asked after the session
 * was written: who removes backups looks at sessions after that, so that one of the two sees the other.
 */
export async function mayRelyOn(repository: Repository, backup: string, signal?: AbortSignal) {
  return (
    (await hasBlob(repository.store, manifestKey(backup), signal)) &&
    !(await isFenced(repository, backup, signal))
  )
}

/** The ids that are fenced, and since when. */
export async function listFences(
  { store }: Repository,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Date>> {
  const fences = new Map<string, Date>()
  for await (const { key, modified } of store.list('locks/', signal)) {
    const id = /^locks\/(.+)\.json$/.exec(key)?.[1] ?? ''
    if (parseBackupId(id) !== null) fences.set(id, modified)
  }
  return fences
}
