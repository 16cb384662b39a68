import { lstat, mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { copySparse } from './copy-file.js'
import { DATABASE_FILE } from './data-directory.js'
import { PICKLE_FILE } from './hnsw-index.js'

/** Links are not needed to read vectors, and are what grows to absurd sizes. */
const INDEX_FILES = ['header.bin', 'data_level0.bin', 'length.bin', PICKLE_FILE]
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/

export interface RescueCopy {
  readonly path: string
  /** Names of folders that look like those of a vector index. */
  readonly folders: readonly string[]
  /** Files that could not be read, with the reason. */
  readonly unreadable: readonly string[]
}

/** Copies what records can be read from into an empty folder; nothing in the directory is changed. */
export async function copyForRescue(
  directory: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<RescueCopy> {
  const unreadable: string[] = []
  const folders: string[] = []
  const copy = async (name: string) => {
    throwIfAborted(signal)
    try {
      const found = await lstat(path.join(directory, name))
      if (found.isFile()) await copySparse(path.join(directory, name), path.join(target, name), signal)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return
      if (!isErrno(error, 'EIO', 'EACCES', 'EPERM')) throw error
      unreadable.push(
        `${name} cannot be read (${isErrno(error, 'EIO') ? 'the disk fails' : 'permission denied'})`,
      )
    }
  }
  // First the journal: without it the database is half a transaction.
  await copy(`${DATABASE_FILE}-journal`)
  await copy(DATABASE_FILE)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory() || !UUID.test(entry.name)) continue
    folders.push(entry.name)
    await mkdir(path.join(target, entry.name))
    for (const name of INDEX_FILES) await copy(path.join(entry.name, name))
  }
  return { path: target, folders, unreadable }
}
