import { chmod, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { copySparse } from '../datadir/copy-file.js'
import { explained, explainedReading, makeOwnFolder, OWN_FOLDER } from '../datadir/own-folder.js'
import { giveToOwner } from '../datadir/swap-files.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { DatabaseInUseError } from './errors.js'
import { hashOfFile } from './overwrite-database.js'
import type { RunRecord } from './run-record.js'
import { requireSpace } from './space.js'
import { DATABASE_FILE } from './survey.js'

/** The database file as it was before a cleanup, kept beside its run record. SHA-256 of the whole file. */
export interface KeptDatabase {
  readonly before: string
  readonly bytes: number
  /** Null until the cleanup has ended: nobody can tell then who wrote last. */
  readonly after: string | null
}

/**
 * Copies the database into the folder of a run, where nobody works on it. Rejects with a NoSpaceError where
 * there is no room, and with {@link DatabaseInUseError} when a write-ahead file holds part of it.
 */
export async function keepDatabase(
  directory: string,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<KeptDatabase> {
  const file = path.join(directory, DATABASE_FILE)
  if ((await sizeOf(`${file}-wal`)) > 0)
    throw new DatabaseInUseError(`${file}-wal holds part of the database`, {
      hint: 'start and stop the server once, or leave out --keep-database',
    })
  const bytes = (await stat(file)).size
  await requireSpace(folder, bytes, 'the copy of the database')
  const copy = path.join(folder, DATABASE_FILE)
  try {
    await copySparse(file, copy, signal)
    await makeDurable(copy)
    await giveToOwner(copy, directory)
  } catch (error) {
    throw explained(error, `copy ${file}`)
  }
  return { before: await hashOfFile(copy), bytes, after: null }
}

/** What `undo` needs to know whether it may put the copy back. */
export async function hashOfDatabase(directory: string): Promise<string> {
  return hashOfFile(path.join(directory, DATABASE_FILE))
}

/**
 * Puts the kept database back in the place of the present one, unless somebody has written since: false then.
 * True as well when an interrupted undo has done it before.
 */
export async function putDatabaseBack(
  directory: string,
  folder: string,
  { database }: RunRecord,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (database === undefined) return false
  const file = path.join(directory, DATABASE_FILE)
  const present = await hashOfFile(file)
  if (present === database.before) return true
  if (present !== database.after) return false
  const copy = path.join(folder, DATABASE_FILE)
  if ((await hashOfFile(copy)) !== database.before) return false
  const staged = path.join(directory, OWN_FOLDER, `${DATABASE_FILE}~`)
  try {
    await makeOwnFolder(directory)
    await rm(staged, { force: true })
    await copySparse(copy, staged, signal)
    await chmod(staged, (await stat(file)).mode & 0o7777)
    await giveToOwner(staged, directory)
    await makeDurable(staged)
    await rename(staged, file)
    await syncFolder(directory)
  } catch (error) {
    throw explained(error, `put back ${file}`)
  }
  return true
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0
    throw explainedReading(error, file)
  }
}

async function makeDurable(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
