import { lstat, mkdir } from 'node:fs/promises'
import path from 'node:path'

import { asError, isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { giveToOwner } from './swap-files.js'

/**
 * What chroma-ops keeps inside a data directory: locks, quarantine, staging. Chroma does not look at it. It is
 * inside because the directory is often a mount point: only there can files be moved without copying.
 */
export const OWN_FOLDER = '.chroma-ops'

/** The directory cannot be written to. */
export class DirectoryAccessError extends OpsError {
  override readonly code = 'DIRECTORY_NOT_WRITABLE'
  override readonly exitCode = ExitCode.notAllowed
}

/** The directory, or a file in it, cannot be read. */
export class DirectoryUnreadableError extends OpsError {
  override readonly code = 'DIRECTORY_NOT_READABLE'
  override readonly exitCode = ExitCode.notAllowed
}

/** The file system that holds the directory has no room for what is about to be done. */
export class DiskFullError extends OpsError {
  override readonly code = 'DISK_FULL'
}

/** Where chroma-ops keeps its files in a data directory, made where it is missing, for the owner of the directory. */
export async function makeOwnFolder(directory: string): Promise<string> {
  const folder = path.join(directory, OWN_FOLDER)
  try {
    await mkdir(folder, { mode: 0o700 })
    await giveToOwner(folder, directory)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw explained(error, `make ${folder}`)
    if (!(await lstat(folder)).isDirectory())
      throw new DirectoryAccessError(`${folder} is not a directory`, {
        hint: 'symbolic links are not followed; move it away, then run this again',
      })
  }
  return folder
}

/** An error while `what` was read as one that can be acted upon; others pass through. */
export function explainedReading(thrown: unknown, what: string): Error {
  const cause = asError(thrown)
  if (isErrno(thrown, 'EACCES', 'EPERM'))
    return new DirectoryUnreadableError(`cannot read ${what}: permission denied`, {
      cause,
      hint: 'run as the user that owns the data directory',
    })
  return cause
}

/** An error of the file system as one that can be acted upon; others pass through. */
export function explained(thrown: unknown, action: string): Error {
  const cause = asError(thrown)
  if (isErrno(thrown, 'EROFS'))
    return new DirectoryAccessError(`cannot ${action}: the file system is read-only`, {
      cause,
      hint: 'mount it for writing, or work on a copy',
    })
  if (isErrno(thrown, 'EACCES', 'EPERM'))
    return new DirectoryAccessError(`cannot ${action}: permission denied`, {
      cause,
      hint: 'run as the user that owns the data directory',
    })
  if (isErrno(thrown, 'ENOSPC', 'EDQUOT'))
    return new DiskFullError(`cannot ${action}: no space left`, { cause, hint: 'free some space first' })
  if (isErrno(thrown, 'EBUSY'))
    return new DirectoryAccessError(`cannot ${action}: a part of it is a mount point, or in use`, {
      cause,
      hint: 'unmount what is mounted below the directory, or name a new directory',
    })
  return cause
}
