import { open, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { DATABASE_FILE } from './data-directory.js'
import { DatabaseDamagedError, NotADataDirectoryError } from './errors.js'
import type { RescueCopy } from './rescue-copy.js'
import { createTables, isSound, salvageDatabase } from './rescue-database.js'
import { openDatabase, type Database } from './sqlite.js'

const HEADER_BYTES = 100
const MAGIC = 'SQLite format 3\0'
/** A header that says more is not believed. The zeros take no space. */
const MOST_TIMES_LONGER = 1000
const MOST_LONGER = 2 ** 30

/** The database of a private copy, as far as it can be read. */
export interface OpenedCopy {
  readonly database: Database
  /** False: not one row could be read of it. */
  readonly readable: boolean
  /** Tables of which rows are lost, and were not found again. */
  readonly lostTables: ReadonlySet<string>
  /** Whether the database is as Chroma left it; the tables of rescue-keys.ts are there if not. */
  readonly sound: boolean
}

/**
 * Opens the database of the copy, or writes what can be read of it into a new one, which takes its place. Adds to
 * `notes`, one sentence each. Rejects with a {@link NotADataDirectoryError} when there is nothing at all.
 */
export async function openSalvaged(
  directory: string,
  copy: RescueCopy,
  notes: string[],
): Promise<OpenedCopy> {
  const file = path.join(copy.path, DATABASE_FILE)
  if (await lengthen(file)) notes.push(`${DATABASE_FILE} ends early`)
  const damaged = await openOrNull(file)
  if (damaged !== null && isSound(damaged))
    return { database: damaged, readable: true, lostTables: new Set(), sound: true }
  if (damaged === null && copy.folders.length === 0)
    throw new NotADataDirectoryError(directory, 'there is neither a database nor an index in it')
  damaged?.close()
  const aside = `${file}.damaged`
  for (const suffix of ['', '-wal'])
    await rename(`${file}${suffix}`, `${aside}${suffix}`).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error
    })
  await rm(`${file}-journal`, { force: true })
  await writeFile(file, '')
  const database = await openDatabase(file, { mode: 'write' })
  const source = damaged === null ? null : await openDatabase(aside, { mode: 'write' })
  if (source === null) {
    notes.push(`${DATABASE_FILE} cannot be read at all: documents and metadata are lost`)
    createTables(database)
    ensureMigrations(database)
    return {
      database,
      readable: false,
      lostTables: new Set(['embeddings', 'embedding_metadata']),
      sound: false,
    }
  }
  try {
    return { database, readable: true, lostTables: salvage(source, database, notes), sound: false }
  } finally {
    source.close()
  }
}

function salvage(source: Database, database: Database, notes: string[]): ReadonlySet<string> {
  const { tables, recordsFound, valuesFound, recordsComplete } = salvageDatabase(source, database)
  const lost = tables.filter((table) => table.lost.length > 0)
  for (const { name, rows, lost: ranges } of lost)
    notes.push(`${name}: ${rows} rows could be read; ${ranges.length} stretches of row ids could not`)
  if (lost.length === 0)
    notes.push(`${DATABASE_FILE} is damaged, but all rows of records could be read, as far as can be seen`)
  if (recordsFound + valuesFound > 0)
    notes.push(`${recordsFound} records and ${valuesFound} of their values were found again in indexes`)
  ensureMigrations(database)
  const names = new Set(lost.map(({ name }) => name))
  if (recordsComplete) names.delete('embeddings')
  return names
}

/**
 * Gives a database that ends early the size that its header says, with pages of zeros: SQLite reads nothing at all of
 * one that is too short. Layout of the header: https://sqlite.org/fileformat2.html#the_database_header
 */
async function lengthen(file: string): Promise<boolean> {
  let handle
  try {
    handle = await open(file, 'r+')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, 0)
    if (bytesRead < HEADER_BYTES || !header.toString('latin1').startsWith(MAGIC)) return false
    const { size } = await handle.stat()
    const wanted = header.readUInt16BE(16) * header.readUInt32BE(28)
    if (size >= wanted || wanted > MOST_TIMES_LONGER * size + MOST_LONGER) return false
    await handle.truncate(wanted)
    return true
  } finally {
    await handle.close()
  }
}

/** Without any, the directory would not be taken for one of Chroma's. */
function ensureMigrations(database: Database): void {
  if (database.get('SELECT 1 FROM migrations') !== undefined) return
  database.run("INSERT INTO migrations VALUES ('sysdb', 10, '', '', ''), ('metadb', 6, '', '', '')")
}

/** Null when it is missing, or no SQLite database. */
async function openOrNull(file: string): Promise<Database | null> {
  try {
    // For writing: that is what rolls an unfinished transaction back.
    return await openDatabase(file, { mode: 'write' })
  } catch (error) {
    if (error instanceof DatabaseDamagedError || error instanceof NotADataDirectoryError) return null
    throw error
  }
}
