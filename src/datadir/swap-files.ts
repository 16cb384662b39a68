import { chown, lstat, readdir, rename, rmdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'

export async function moveIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

export async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

export async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  }
}

/** What root makes in somebody's data directory belongs to them. */
export async function giveToOwner(folder: string, directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await lstat(directory)
  const visit = async (file: string): Promise<void> => {
    const found = await lstat(file)
    if (found.uid !== uid || found.gid !== gid) await chown(file, uid, gid)
    if (found.isDirectory()) for (const name of await readdir(file)) await visit(path.join(file, name))
  }
  await visit(folder)
}
