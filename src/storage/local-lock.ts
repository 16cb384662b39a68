import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'

import { sleep } from '../core/abort.js'
import { isErrno } from '../core/errors.js'
import { BlobChangedError } from './blob-store.js'
import { createFile, PRIVATE_MARK } from './local-files.js'

/** The work under a lock takes milliseconds; a lock this old, by the disk's own clock, belongs to a dead run. */
const STALE_MS = 30_000
const POLL_MS = 20

/** Still holding the lock? Rejects with {@link BlobChangedError} when another run has taken it over. */
export type StillMine = () => Promise<void>

/**
 * Runs `work` while no other process does so for the same file. `work` asks `stillMine` right before what
 * cannot be undone: it may have slept longer than a lock is believed to live.
 */
export async function withFileLock<T>(
  target: string,
  signal: AbortSignal | undefined,
  work: (stillMine: StillMine) => Promise<T>,
): Promise<T> {
  const lock = `${target}${PRIVATE_MARK}lock`
  const token = randomUUID()
  await acquire(lock, token, signal)
  const holds = async () => (await contentOf(lock)) === token
  try {
    return await work(async () => {
      if (!(await holds())) throw new BlobChangedError(`another run has taken over the lock on ${target}`)
    })
  } finally {
    if (await holds()) await rm(lock, { force: true })
  }
}

async function acquire(lock: string, token: string, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    try {
      await createWith(lock, token)
      return
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    if (await isStale(lock)) await breakLock(lock)
    else await sleep(POLL_MS, signal)
  }
}

async function createWith(lock: string, token: string): Promise<void> {
  const handle = await createFile(lock)
  try {
    await handle.writeFile(token)
  } catch (error) {
    await rm(lock, { force: true })
    throw error
  } finally {
    await handle.close()
  }
}

/** Compares two times of the same file system: this machine's clock may differ from it. */
async function isStale(lock: string): Promise<boolean> {
  const sample = `${lock}${PRIVATE_MARK}${randomUUID()}`
  try {
    await writeFile(sample, '')
    const [now, taken] = [await stat(sample), await stat(lock)]
    return now.mtimeMs - taken.mtimeMs > STALE_MS
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  } finally {
    await rm(sample, { force: true })
  }
}

/** Of several that want to break it, the rename succeeds for one. */
async function breakLock(lock: string): Promise<void> {
  const broken = `${lock}${PRIVATE_MARK}${randomUUID()}`
  try {
    await rename(lock, broken)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    throw error
  }
  await rm(broken, { force: true })
}

async function contentOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}
