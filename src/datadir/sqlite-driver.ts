import { existsSync } from 'node:fs'

import type { SqlValue } from './sqlite.js'

/** What the SQLite libraries have in common, as {@link openDatabase} needs it. */
export interface Driver {
  readonly library: 'node:sqlite' | 'libsql'
  exec(sql: string): void
  prepare(sql: string): DriverStatement
  close(): void
}

export interface DriverStatement {
  /** Names of the columns; empty for a statement without rows. */
  columns(): readonly string[]
  /** Rows as arrays of the columns; integers are `bigint`. */
  rows(parameters: readonly SqlValue[]): Iterator<readonly unknown[]>
  run(parameters: readonly SqlValue[]): number
}

export interface DriverOptions {
  readonly mode: 'read' | 'write'
  readonly busyTimeoutMs: number
}

export type OpenDriver = (file: string, options: DriverOptions) => Driver

/** Null when this Node.js is too old to have it. */
export async function loadNodeSqlite(): Promise<OpenDriver | null> {
  // Not a literal: the types of Node.js 20 do not know the module.
  const name = ['node', 'sqlite'].join(':')
  const module: unknown = await import(name)
  if (!isNodeSqlite(module)) return null
  return (file, { mode, busyTimeoutMs }) => {
    // A URI, which could say so, is not taken by every release.
    if (!existsSync(file)) throw Object.assign(new Error('no such file'), { errcode: 14 })
    const database = new module.DatabaseSync(file, {
      readOnly: mode === 'read',
      timeout: busyTimeoutMs,
      enableForeignKeyConstraints: false,
    })
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    return {
      library: 'node:sqlite',
      exec: (sql) => database.exec(sql),
      prepare: (sql) => nodeStatement(database.prepare(sql)),
      close: () => database.close(),
    }
  }
}

export async function loadLibsql(): Promise<OpenDriver> {
  const { default: Libsql } = await import('libsql')
  return (file, { mode, busyTimeoutMs }) => {
    const options: LibsqlOptions = { timeout: busyTimeoutMs }
    const database = new Libsql(uriOf(file, mode), options)
    database.defaultSafeIntegers(true)
    // It switches them on; Chroma's servers do not, and its old migrations refer to tables that do not exist.
    database.exec('PRAGMA foreign_keys = OFF')
    return {
      library: 'libsql',
      exec: (sql) => void database.exec(sql),
      prepare: (sql) => libsqlStatement(database.prepare(sql)),
      close: () => void database.close(),
    }
  }
}

interface LibsqlOptions {
  readonly timeout: number
}

interface LibsqlStatement {
  readonly reader: boolean
  raw(toggle?: boolean): unknown
  columns(): readonly { readonly name: string }[]
  iterate(...parameters: unknown[]): IterableIterator<unknown>
  run(...parameters: unknown[]): { readonly changes: number }
}

function libsqlStatement(statement: LibsqlStatement): DriverStatement {
  return {
    columns: () => (statement.reader ? statement.columns().map(({ name }) => name) : []),
    *rows(parameters) {
      statement.raw(true)
      for (const row of statement.iterate(parameters)) yield Array.isArray(row) ? row : []
    },
    run: (parameters) => statement.run(parameters).changes,
  }
}

interface NodeSqlite {
  readonly DatabaseSync: new (file: string, options: object) => NodeDatabase
}

interface NodeDatabase {
  exec(sql: string): void
  prepare(sql: string): NodeStatement
  close(): void
}

interface NodeStatement {
  setReadBigInts(enabled: boolean): void
  columns(): readonly { readonly name: string }[]
  iterate(...parameters: readonly SqlValue[]): IterableIterator<object>
  run(...parameters: readonly SqlValue[]): { readonly changes: number | bigint }
}

function isNodeSqlite(module: unknown): module is NodeSqlite {
  if (typeof module !== 'object' || module === null || !('DatabaseSync' in module)) return false
  return typeof module.DatabaseSync === 'function'
}

function nodeStatement(statement: NodeStatement): DriverStatement {
  statement.setReadBigInts(true)
  return {
    columns: () => statement.columns().map(({ name }) => name),
    *rows(parameters) {
      for (const row of statement.iterate(...parameters)) yield Object.values(row)
    },
    run: (parameters) => Number(statement.run(...parameters).changes),
  }
}

/** Only a URI can say that the file must be there already. */
function uriOf(file: string, mode: 'read' | 'write'): string {
  const escaped = file.replaceAll(/[%?#]/g, (character) => encodeURIComponent(character))
  return `file:${escaped}?mode=${mode === 'read' ? 'ro' : 'rw'}`
}
