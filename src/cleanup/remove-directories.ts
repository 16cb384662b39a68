import {
  copyFile,
  lstat,
  mkdir,
  open,
  rename,
  rm,
  rmdir,
  unlink,
  utimes,
  chown,
  chmod,
} from 'node:fs/promises'
import path from 'node:path'

import { asError, errnoOf, isErrno, OpsError, throwIfAborted } from '../core/errors.js'
import { explained } from '../datadir/own-folder.js'
import type { Database } from '../datadir/sqlite.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { hasLiveSegment, inspectIndexDirectory, type IndexDirectory } from './index-directories.js'
import { inTransaction } from './remove-rows.js'
import type { CleanupFailure } from './report.js'
import { INDEXES_FOLDER } from './run-record.js'

export interface RemoveDirectoriesJob {
  readonly database: Database
  readonly directory: string
  readonly orphans: readonly IndexDirectory[]
  /** The folder of the run in the quarantine; null: deleted for good. */
  readonly runFolder: string | null
  readonly signal?: AbortSignal | undefined
}

export interface RemovedDirectories {
  readonly count: number
  readonly bytes: number
  /** Given back to the file system of the directory. */
  readonly freedBytes: number
  readonly errors: readonly CleanupFailure[]
}

export const DIRECTORIES_STEP = 'index-directories'

/**
 * Removes directories that were listed before the database was asked, asking it once more under the write lock.
 * One that cannot be removed does not stop the others. A server that still has one open only has the files open.
 */
export async function removeDirectories(job: RemoveDirectoriesJob): Promise<RemovedDirectories> {
  const { database, directory, runFolder, signal } = job
  let [count, bytes, freedBytes] = [0, 0, 0]
  const errors: CleanupFailure[] = []
  for (const { name } of job.orphans) {
    throwIfAborted(signal)
    try {
      // Files may have come since the plan was made.
      const now = await inspectIndexDirectory(directory, name)
      if (now === null || 'message' in now) continue
      if (inTransaction(database, () => hasLiveSegment(database, name))) continue
      const source = path.join(directory, name)
      // A segment's id is never used again, so what has no row now never gets one.
      if (runFolder === null) await deleteDirectory(source, now.files)
      const moved =
        runFolder !== null && (await moveDirectory(source, path.join(runFolder, INDEXES_FOLDER, name), now))
      count++
      bytes += now.allocatedBytes
      if (runFolder === null || moved === 'copied') freedBytes += now.allocatedBytes
    } catch (error) {
      errors.push(failureOf(DIRECTORIES_STEP, explained(error, `remove ${path.join(directory, name)}`)))
    }
  }
  await syncFolder(directory)
  if (runFolder !== null) await syncFolder(path.join(runFolder, INDEXES_FOLDER))
  return { count, bytes, freedBytes, errors }
}

/** Moves a directory, by copying where the target is on another file system; the copy is durable first. */
export async function moveDirectory(
  source: string,
  target: string,
  { files }: Pick<IndexDirectory, 'files'>,
): Promise<'renamed' | 'copied'> {
  try {
    await rename(source, target)
    return 'renamed'
  } catch (error) {
    if (!isErrno(error, 'EXDEV')) throw error
  }
  const draft = `${target}~`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft)
  try {
    for (const file of files) await copyDurably(path.join(source, file), path.join(draft, file))
    await copyAttributes(source, draft)
    await syncFolder(draft)
    await rename(draft, target)
    await syncFolder(path.dirname(target))
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
  await deleteDirectory(source, files)
  return 'copied'
}

/** An error that is expected, as a line of the result; any other is a bug and is thrown. */
export function failureOf(step: string, error: unknown): CleanupFailure {
  const { message } = asError(error)
  if (error instanceof OpsError) return { step, code: error.code, message }
  const code = errnoOf(error)
  if (code === undefined) throw error
  return { step, code, message }
}

/** Only the named files: a directory that has got others stays. */
async function deleteDirectory(folder: string, files: readonly string[]): Promise<void> {
  for (const file of files) await unlink(path.join(folder, file))
  await rmdir(folder)
}

async function copyDurably(source: string, target: string): Promise<void> {
  await copyFile(source, target)
  const [from, to] = [await lstat(source), await lstat(target)]
  if (from.size !== to.size) throw new Error(`the copy of ${source} has ${to.size} of ${from.size} bytes`)
  await copyAttributes(source, target)
  const handle = await open(target, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function copyAttributes(source: string, target: string): Promise<void> {
  const { mode, uid, gid, atime, mtime } = await lstat(source)
  if (process.getuid?.() === 0) await chown(target, uid, gid)
  await chmod(target, mode & 0o7777)
  await utimes(target, atime, mtime)
}
