import path from 'node:path'

import { asError, errnoOf, OpsError } from '../core/errors.js'
import {
  DatabaseBusyError,
  DatabaseDamagedError,
  DatabaseFailedError,
  DatabaseJournalError,
  DatabaseOverwrittenError,
  NotADataDirectoryError,
  SqliteMissingError,
} from './errors.js'
import { isOverwritten } from './overwritten.js'
import { loadLibsql, loadNodeSqlite, type Driver, type OpenDriver } from './sqlite-driver.js'
import { readBlob, SqlStatement } from './sqlite-statement.js'

/** INTEGER is a `bigint`, REAL a `number`, TEXT a `string`, BLOB a `Uint8Array`. */
export type SqlValue = null | bigint | number | string | Uint8Array
export type SqlRow = Readonly<Record<string, SqlValue>>

/**
 * One connection. Every method throws {@link DatabaseBusyError}, {@link DatabaseDamagedError},
 * {@link DatabaseJournalError} or {@link DatabaseFailedError}. Text that is not UTF-8 comes with U+FFFD.
 * A string parameter must not contain the character NUL: bind its bytes and `CAST(? AS TEXT)`.
 */
export interface Database {
  readonly library: 'node:sqlite' | 'libsql' | 'better-sqlite3'
  readonly sqliteVersion: string
  all(sql: string, ...parameters: SqlValue[]): readonly SqlRow[]
  /** Row by row, with little memory. The read lock is held until the end, or until the loop is left. */
  iterate(sql: string, ...parameters: SqlValue[]): IterableIterator<SqlRow>
  get(sql: string, ...parameters: SqlValue[]): SqlRow | undefined
  /** A query for one BLOB, at less cost; empty when it is NULL or there is no row. */
  blob(sql: string, ...parameters: SqlValue[]): Uint8Array
  run(sql: string, ...parameters: SqlValue[]): { readonly changes: number }
  /** One or more statements; rows are dropped. */
  exec(sql: string): void
  close(): void
}

export interface DatabaseOptions {
  /** `read` never creates, migrates or changes anything: not the database, not a journal. */
  readonly mode: 'read' | 'write'
  /** How long to wait for locks of others; default 5000. */
  readonly busyTimeoutMs?: number
}

const BUSY_TIMEOUT_MS = 5000

/**
 * Opens an SQLite database that is there; creates none. Rejects with {@link SqliteMissingError},
 * {@link DatabaseBusyError}, {@link DatabaseDamagedError}, {@link NotADataDirectoryError} when there is no such
 * file, and in mode `read` with {@link DatabaseJournalError} when a killed writer's transaction must be rolled
 * back first.
 */
export async function openDatabase(file: string, options: DatabaseOptions): Promise<Database> {
  const open = await loadLibrary()
  const { mode, busyTimeoutMs = BUSY_TIMEOUT_MS } = options
  const driver = guarded(file, () => open(file, { mode, busyTimeoutMs }))
  try {
    // The first statement that reads the header: finds foreign files, locks and hot journals.
    const database = new SqliteDatabase(file, driver)
    database.all('SELECT count(*) FROM sqlite_master')
    return database
  } catch (error) {
    driver.close()
    throw error
  }
}

/**
 * Writes a database anew without empty pages, with little memory: libsql is built to keep temporary files in
 * memory unless it is told otherwise, and the copy that SQLite makes is one. The copy is where SQLITE_TMPDIR says.
 */
export function vacuumOnDisk(database: Database): void {
  database.exec('PRAGMA temp_store = FILE')
  database.exec('VACUUM')
}

let library: Promise<OpenDriver> | undefined

function loadLibrary(): Promise<OpenDriver> {
  library ??= firstLibrary().catch((error: unknown) => {
    library = undefined
    throw error
  })
  return library
}

async function firstLibrary(): Promise<OpenDriver> {
  try {
    const open = await loadNodeSqlite()
    if (open !== null) return open
  } catch (error) {
    if (errnoOf(error) !== 'ERR_UNKNOWN_BUILTIN_MODULE' && errnoOf(error) !== 'MODULE_NOT_FOUND') throw error
  }
  try {
    return await loadLibsql()
  } catch (error) {
    throw new SqliteMissingError([`node:sqlite of Node.js ${process.versions.node}`, 'libsql'], error)
  }
}

class SqliteDatabase implements Database {
  readonly library
  readonly sqliteVersion: string
  readonly #file: string
  readonly #driver: Driver
  /** Iterations that have not ended; each holds a read lock. */
  readonly #open = new Set<SqlStatement>()

  constructor(file: string, driver: Driver) {
    this.#file = file
    this.#driver = driver
    this.library = driver.library
    this.sqliteVersion = String(this.get('SELECT sqlite_version() AS version')?.['version'])
  }

  all(sql: string, ...parameters: SqlValue[]): readonly SqlRow[] {
    return [...this.iterate(sql, ...parameters)]
  }

  *iterate(sql: string, ...parameters: SqlValue[]): Generator<SqlRow, void, undefined> {
    const statement = this.#guarded(() => new SqlStatement(this.#driver, sql, parameters))
    this.#open.add(statement)
    try {
      for (;;) {
        const row = this.#guarded(() => statement.next())
        if (row === undefined) return
        yield row
      }
    } finally {
      this.#open.delete(statement)
      this.#guarded(() => statement.release())
    }
  }

  get(sql: string, ...parameters: SqlValue[]): SqlRow | undefined {
    for (const row of this.iterate(sql, ...parameters)) return row
    return undefined
  }

  blob(sql: string, ...parameters: SqlValue[]): Uint8Array {
    return this.#guarded(() => readBlob(this.#driver, sql, parameters))
  }

  run(sql: string, ...parameters: SqlValue[]): { readonly changes: number } {
    return this.#guarded(() => ({ changes: this.#driver.prepare(sql).run(parameters) }))
  }

  exec(sql: string): void {
    this.#guarded(() => this.#driver.exec(sql))
  }

  close(): void {
    for (const statement of this.#open) this.#guarded(() => statement.release())
    this.#open.clear()
    this.#guarded(() => this.#driver.close())
  }

  #guarded<T>(action: () => T): T {
    return guarded(this.#file, action)
  }
}

function guarded<T>(file: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw error instanceof OpsError ? error : sqliteError(file, error)
  }
}

const READONLY_ROLLBACK = 776

/** Primary result codes: https://sqlite.org/rescode.html */
function sqliteError(file: string, thrown: unknown): OpsError {
  const code = resultCode(thrown)
  if (code === READONLY_ROLLBACK) return new DatabaseJournalError(file, thrown)
  switch (code & 0xff) {
    case 5:
    case 6:
      return new DatabaseBusyError(file, thrown)
    case 11:
      return new DatabaseDamagedError(file, thrown)
    case 26:
      return notADatabase(file, thrown)
    case 14:
      return new NotADataDirectoryError(file, 'the database cannot be opened')
    default:
      return new DatabaseFailedError(file, asError(thrown))
  }
}

function notADatabase(file: string, thrown: unknown): DatabaseDamagedError {
  if (!isOverwritten(file)) return new DatabaseDamagedError(file, thrown)
  const message =
    'a vacuum was killed while it wrote it; the whole database is in the folder that was named with --via, and cleanup --apply finishes the work from there'
  return new DatabaseOverwrittenError(
    file,
    { message },
    `chroma-ops cleanup --path '${path.dirname(file)}' --apply`,
  )
}

/** 1 (an error without a name) when the library does not say. */
function resultCode(thrown: unknown): number {
  if (typeof thrown !== 'object' || thrown === null) return 1
  if ('errcode' in thrown && typeof thrown.errcode === 'number') return thrown.errcode
  if ('rawCode' in thrown && typeof thrown.rawCode === 'number') return thrown.rawCode
  // libsql, when it cannot even open the file: ConnectionFailed("… : 14").
  const opening = 'message' in thrown ? /: (\d+)"?\)?$/.exec(String(thrown.message)) : null
  return Number(opening?.[1] ?? 1)
}
