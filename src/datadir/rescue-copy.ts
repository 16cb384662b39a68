import type { Dirent } from 'node:fs'
import { mkdir, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { copySparse } from './copy-file.js'
import { DATABASE_FILE } from './data-directory.js'
import { PICKLE_FILE } from './hnsw-index.js'
import { explainedReading } from './own-folder.js'

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

/**
 * Copies what records can be read from into an empty folder, also through symbolic links, as a server reads it;
 * nothing in the directory is changed. Rejects with a DirectoryUnreadableError (14) where it may not read: what is
 * not allowed is not lost.
 */
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
      const source = await realpath(path.join(directory, name))
      if ((await stat(source)).isFile()) await copySparse(source, path.join(target, name), signal)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return
      if (!isErrno(error, 'EIO')) throw explainedReading(error, path.join(directory, name))
      unreadable.push(`${name} cannot be read (the disk fails)`)
    }
  }
  // First the journal: without it the database is half a transaction. The log of a database that somebody has put
  // into WAL mode holds what was written last.
  for (const suffix of ['-journal', '-wal', '']) await copy(`${DATABASE_FILE}${suffix}`)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!UUID.test(entry.name) || !(await isFolder(directory, entry))) continue
    folders.push(entry.name)
    await mkdir(path.join(target, entry.name))
    for (const name of INDEX_FILES) await copy(path.join(entry.name, name))
  }
  return { path: target, folders, unreadable }
}

async function isFolder(directory: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  try {
    return (await stat(path.join(directory, entry.name))).isDirectory()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP')) return false
    throw explainedReading(error, path.join(directory, entry.name))
  }
}
