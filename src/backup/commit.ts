import pLimit from 'p-limit'

import { OpsError } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { BackupError, ManifestDamagedError } from './errors.js'
import { findSessions, isFenced, refuseFenced } from './live-sessions.js'
import { encodeHead, manifestKey, type BackupHead } from './manifest.js'
import { objectPrefix } from './object-reference.js'
import type { Repository } from './repository.js'

const REMOVAL_MS = 5_000
const CONCURRENT_REMOVALS = 8

/**
 * Writes the manifest, by which the backup begins to exist, and reads it back. A backup whose run was given up, and
 * whose objects may have been deleted, is taken back: rejects with a BackupError.
 */
export async function commitBackup(
  repository: Repository,
  head: BackupHead,
  signal: AbortSignal | undefined,
): Promise<void> {
  const key = manifestKey(head.id)
  const bytes = encodeHead(repository, head)
  await refuseFenced(repository, head.id, signal)
  await repository.store.putNew(key, bytes, signal)
  const isStored = async () => bytes.equals((await repository.store.get(key, { signal })).bytes)
  // Once more, for the network and the disk err too.
  if (!(await isStored()) && !(await isStored())) {
    throw new ManifestDamagedError(head.id, `${key} is not what was written to it`, {
      hint: 'run "chroma-ops repo check" and do not trust this store',
    })
  }
  try {
    // Who gives a run up fences it first and lists the manifests afterwards: one of the two sees the other.
    await refuseFenced(repository, head.id, signal)
  } catch (error) {
    if (error instanceof BackupError) await repository.store.delete(key, AbortSignal.timeout(REMOVAL_MS))
    throw error
  }
}

/**
 * Gives back the space of a backup that will not be; what cannot be removed in short time stays, harmlessly. Its
 * session has been removed: whoever wanted to go on from it and has not said so by now cannot any more.
 */
export async function removeLeftovers(
  repository: Repository,
  backup: string,
  progress: Progress,
): Promise<void> {
  const signal = AbortSignal.timeout(REMOVAL_MS)
  const { store } = repository
  const limit = pLimit(CONCURRENT_REMOVALS)
  const removals: Promise<void>[] = []
  try {
    if (await isTakenOver(repository, backup, signal)) return
    for await (const { key } of store.list(objectPrefix(backup), signal)) {
      removals.push(limit(() => store.delete(key, signal)))
    }
    await Promise.all(removals)
  } catch (error) {
    await Promise.allSettled(removals)
    if (!(error instanceof OpsError)) throw error
    warnOfLeftovers(backup, error.message, progress)
  }
}

export function warnOfLeftovers(backup: string, why: string, progress: Progress): void {
  const message = `objects of the unfinished backup stay in ${objectPrefix(backup)}: ${why}`
  progress.warn({ code: 'LEFTOVERS', message })
}

/** In this order: a run that goes on from this one has fenced it before its own session is gone. */
async function isTakenOver(repository: Repository, backup: string, signal: AbortSignal): Promise<boolean> {
  const { pins } = await findSessions(repository, { now: new Date(), expiryMs: Infinity, signal })
  return pins.has(backup) || (await isFenced(repository, backup, signal))
}
