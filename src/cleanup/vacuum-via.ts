import { chmod, chown, copyFile, lstat, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { GuardError } from '../core/errors.js'
import { fileSystemOf, realDirectory } from '../datadir/file-system.js'
import { checkIntegrity } from '../datadir/inspect-pages.js'
import { explained, makeOwnFolder } from '../datadir/own-folder.js'
import { openDatabase, type Database } from '../datadir/sqlite.js'
import { CopyDiffersError } from './errors.js'
import { overwriteDatabase } from './overwrite-database.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { requireSpace } from './space.js'
import { DATABASE_FILE } from './survey.js'
import { quoted } from './sweep.js'
import type { VacuumJob } from './vacuum.js'

/**
 * Writes a compact database into another folder, proves that it holds the same, and puts it into place: by a
 * rename where the disk has room for both, else by writing over the original. The original is locked against
 * writers from before the first byte is read.
 */
export async function vacuumVia(job: VacuumJob & { readonly via: string }): Promise<void> {
  const { directory, run, requireAlone } = job
  const file = path.join(directory, DATABASE_FILE)
  const original = await lstat(file)
  if (!original.isFile())
    throw new GuardError('NOT_A_PLAIN_FILE', `${file} is not a plain file, so it cannot be replaced`, {
      hint: 'run without --via',
    })
  const via = await realDirectory(job.via)
  if ((await lstat(via)).dev === original.dev)
    throw new GuardError('SAME_FILE_SYSTEM', `${via} is on the same file system as ${directory}`, {
      hint: 'name a folder on another one with --via, or run without it',
    })
  const copy = path.join(via, `chroma-ops-vacuum-${run}.sqlite3`)
  const lock = await openDatabase(file, { mode: 'write' })
  try {
    lock.exec('BEGIN IMMEDIATE')
    await writeCopy(file, copy)
    const { size } = await lstat(copy)
    const { freeBytes } = await fileSystemOf(directory)
    if (freeBytes > size + SPARE) {
      const beside = await copyBeside(directory, copy, run, original)
      await requireAlone()
      await rename(beside, file)
      await syncFolder(directory)
      await rm(copy)
      return
    }
  } catch (error) {
    await rm(copy, { force: true })
    throw error
  } finally {
    lock.close()
  }
  await requireAlone()
  await overwriteDatabase(file, copy)
  await rm(copy)
}

const SPARE = 1 << 20

async function writeCopy(file: string, copy: string): Promise<void> {
  const source = await openDatabase(file, { mode: 'read' })
  try {
    const { pages, empty, size } = source.get(
      `SELECT (SELECT page_count FROM pragma_page_count) AS pages,
       (SELECT freelist_count FROM pragma_freelist_count) AS empty, (SELECT page_size FROM pragma_page_size) AS size`,
    ) ?? { pages: 0, empty: 0, size: 0 }
    await requireSpace(path.dirname(copy), (Number(pages) - Number(empty)) * Number(size), 'the new database')
    source.run('VACUUM INTO ?', copy)
    await makeDurable(copy)
    await requireSame(source, copy)
  } finally {
    source.close()
  }
}

async function requireSame(source: Database, copy: string): Promise<void> {
  const database = await openDatabase(copy, { mode: 'read' })
  try {
    const { damage } = checkIntegrity(database, false)
    if (damage[0] !== undefined) throw new CopyDiffersError(`${copy} is damaged: ${damage[0]}`)
    for (const table of tableNames(source)) {
      const count = (of: Database) => of.get(`SELECT count(*) AS n FROM ${quoted(table)}`)?.['n']
      const [expected, found] = [count(source), count(database)]
      if (expected !== found)
        throw new CopyDiffersError(
          `${copy} has ${String(found)} of ${String(expected)} rows of ${table}; nothing was changed`,
        )
    }
  } finally {
    database.close()
  }
}

function tableNames(database: Database): readonly string[] {
  return database
    .all("SELECT name FROM sqlite_master WHERE type = 'table'")
    .map(({ name }) => (typeof name === 'string' ? name : ''))
}

/** A copy in the data directory, durable, with the owner and the rights of the original. */
async function copyBeside(
  directory: string,
  copy: string,
  run: string,
  { uid, gid, mode }: Awaited<ReturnType<typeof lstat>>,
): Promise<string> {
  const beside = path.join(await makeOwnFolder(directory), `vacuum-${run}.sqlite3`)
  try {
    await copyFile(copy, beside)
    if (process.getuid?.() === 0) await chown(beside, Number(uid), Number(gid))
    await chmod(beside, Number(mode) & 0o7777)
    await makeDurable(beside)
    return beside
  } catch (error) {
    await rm(beside, { force: true })
    throw explained(error, `write ${beside}`)
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
