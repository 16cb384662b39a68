import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import type { CollectionDefinition } from '../core/records.js'
import { DatabaseJournalError, NotADataDirectoryError } from './errors.js'
import { readFingerprint, type MigrationFingerprint } from './migrations.js'
import { readDefinitions } from './read-definitions.js'
import { recoverOnCopy } from './recovered-copy.js'
import { openDatabase, type Database } from './sqlite.js'

/** The name of the database in a data directory. */
export const DATABASE_FILE = 'chroma.sqlite3'

/** A row of `segments`. Segments without a collection are listed too. */
export interface Segment {
  /** A UUID; the folder of a vector segment has this name. */
  readonly id: string
  /** Such as `urn:chroma:segment/vector/hnsw-local-persisted`. */
  readonly type: string
  /** `VECTOR` or `METADATA`. */
  readonly scope: string
  readonly collectionId: string
}

/** A Chroma persist directory: the database and what is in it. */
export interface DataDirectory {
  readonly path: string
  readonly database: Database
  /** The database was read from a copy, because a killed writer's transaction had to be rolled back. */
  readonly recovered: boolean
  readonly fingerprint: MigrationFingerprint
  readonly segments: readonly Segment[]
  /** Those of all tenants and databases, sorted by tenant, database and name. */
  collections(): readonly CollectionDefinition[]
  close(): void
}

export interface DataDirectoryOptions {
  /** `read` (the default) changes nothing at all in the directory. */
  readonly mode?: 'read' | 'write'
  readonly busyTimeoutMs?: number
  /**
   * A folder for temporary files. With it, mode `read` can read a directory whose server was killed in the
   * middle of a transaction: the transaction is rolled back on a copy of the database made here.
   */
  readonly tempDir?: string
}

/**
 * Opens the database of a data directory. No server is needed; one may be running, and then every query is
 * consistent in itself, while the files of the indexes may be ahead of or behind the database.
 *
 * Rejects with {@link NotADataDirectoryError}, and with what {@link openDatabase} rejects with;
 * {@link DatabaseJournalError} only without `tempDir`.
 */
export async function openDataDirectory(
  directory: string,
  options: DataDirectoryOptions = {},
): Promise<DataDirectory> {
  await requireDatabase(directory)
  const { database, remove } = await openOrRecover(path.join(directory, DATABASE_FILE), options)
  const close = () => {
    database.close()
    remove?.()
  }
  try {
    const fingerprint = readFingerprint(database)
    if (fingerprint === undefined)
      throw new NotADataDirectoryError(directory, `its ${DATABASE_FILE} is not Chroma's`)
    return {
      path: directory,
      database,
      recovered: remove !== undefined,
      fingerprint,
      segments: readSegments(database),
      collections: () => readDefinitions(database, fingerprint),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

interface OpenedDatabase {
  readonly database: Database
  /** Removes the copy, where one was made. */
  readonly remove?: () => void
}

async function openOrRecover(file: string, options: DataDirectoryOptions): Promise<OpenedDatabase> {
  const { mode = 'read', tempDir, ...rest } = options
  try {
    return { database: await openDatabase(file, { mode, ...rest }) }
  } catch (error) {
    if (!(error instanceof DatabaseJournalError) || tempDir === undefined) throw error
  }
  return recoverOnCopy(file, tempDir)
}

function readSegments(database: Database): readonly Segment[] {
  return database.all('SELECT id, type, scope, collection FROM segments ORDER BY id').map((row) => ({
    id: String(row['id']),
    type: String(row['type']),
    scope: String(row['scope']),
    collectionId: String(row['collection'] ?? ''),
  }))
}

/** Rejects with a {@link NotADataDirectoryError} that says where a database is instead. */
export async function requireDatabase(directory: string): Promise<void> {
  if (await isFile(path.join(directory, DATABASE_FILE))) return
  const names = await readdir(directory).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR'))
      throw new NotADataDirectoryError(directory, 'there is no such directory')
    throw error
  })
  for (const name of names) {
    const below = path.join(directory, name)
    if (await isFile(path.join(below, DATABASE_FILE)))
      throw new NotADataDirectoryError(directory, `there is no ${DATABASE_FILE}`, `it is in ${below}`)
  }
  throw new NotADataDirectoryError(directory, `there is no ${DATABASE_FILE}`, movedHint(names))
}

function movedHint(names: readonly string[]): string | undefined {
  if (names.some((name) => name.endsWith('.parquet')))
    return 'this is data of Chroma 0.3: migrate it with chroma-migrate of that time'
  return (
    'name the directory that holds chroma.sqlite3; in Docker images that is /data since 1.0 and was /chroma/chroma ' +
    'before: a volume that is still mounted there is not seen by a newer server'
  )
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
