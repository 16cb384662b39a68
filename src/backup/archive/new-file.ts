import { randomUUID } from 'node:crypto'
import { link, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { GuardError, isErrno } from '../../core/errors.js'
import { localError } from '../../storage/local-errors.js'
import { syncFolder } from '../../storage/local-files.js'

/**
 * Writes a file that appears under its name only when it is whole and durable. Rejects with a GuardError
 * `FILE_EXISTS` (15) when there is one already, unless `replace`; with a StoreError when the disk fails; with what
 * `write` rejects with. Then nothing is left behind.
 */
export async function writeNewFile<T>(
  file: string,
  replace: boolean,
  write: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const temp = `${file}~${randomUUID()}`
  try {
    if (!replace) await refuseExisting(file)
    await mkdir(path.dirname(file), { recursive: true })
    const handle = await open(temp, 'wx', 0o600)
    try {
      const result = await write(handle).finally(() => handle.sync().finally(() => handle.close()))
      if (replace) await rename(temp, file)
      else await linkNew(temp, file)
      await syncFolder(path.dirname(file))
      return result
    } finally {
      await rm(temp, { force: true })
    }
  } catch (error) {
    throw localError(error, `write ${file}`)
  }
}

/** Told before anything is written. */
export async function refuseExisting(file: string): Promise<void> {
  try {
    const handle = await open(file, 'r')
    await handle.close()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return
    throw error
  }
  throw exists(file)
}

/** Unlike a rename it never replaces. */
async function linkNew(temp: string, file: string): Promise<void> {
  try {
    await link(temp, file)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw exists(file)
    // A file system without hard links.
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK')) throw error
    await refuseExisting(file)
    await rename(temp, file)
  }
}

function exists(file: string): GuardError {
  return new GuardError('FILE_EXISTS', `${file} exists already`, {
    hint: 'name another file, or give --force to replace it',
  })
}
