import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'

import { openDatabase, type Database, type SqlValue } from '../../src/datadir/sqlite.js'

/** Runs SQL on the database of a directory. */
export async function withDatabase<T>(directory: string, work: (database: Database) => T): Promise<T> {
  const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'write' })
  try {
    return work(database)
  } finally {
    database.close()
  }
}

/** The number of rows that a query counts. */
export async function countOf(directory: string, sql: string, ...values: SqlValue[]): Promise<number> {
  return withDatabase(directory, (database) => Number(Object.values(database.get(sql, ...values) ?? {})[0]))
}

/**
 * Everything in a directory but what chroma-ops keeps there: a hash, mode and owner of each file, and every row
 * of every table with its number.
 */
export async function stateOf(directory: string): Promise<ReadonlyMap<string, string>> {
  const state = new Map<string, string>()
  for (const name of (await readdir(directory, { recursive: true })).sort()) {
    if (name.startsWith('.chroma-ops') || name === 'chroma.sqlite3') continue
    // It is rolled back below.
    if (name === 'chroma.sqlite3-journal') continue
    const file = path.join(directory, name)
    const { mode, uid, gid } = await lstat(file)
    const kind = (await lstat(file)).isDirectory() ? 'directory' : await contentOf(file)
    state.set(name, `${kind} ${mode.toString(8)} ${uid}:${gid}`)
  }
  await withDatabase(directory, (database) => {
    for (const table of tablesOf(database)) state.set(table, rowsOf(database, table))
  })
  return new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function contentOf(file: string): Promise<string> {
  if ((await lstat(file)).isSymbolicLink()) return `link to ${await readlink(file)}`
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

/** VACUUM numbers the rows of tables without a number of their own anew; their order stays. */
export function withoutRowNumbers(state: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(
    [...state].map(([name, text]) => [name, text.replaceAll(/"number of the row":"-?\d+n",?/g, '')]),
  )
}

/** The inner tables of the full-text index differ with its history; their content does not. */
function tablesOf(database: Database): readonly string[] {
  const inner = /_(data|idx|docsize|config)$/
  return database
    .all("SELECT name FROM sqlite_master WHERE type = 'table'")
    .map(({ name }) => String(name))
    .filter((name) => !(name.startsWith('embedding_fulltext_search') && inner.test(name)))
}

function rowsOf(database: Database, table: string): string {
  const rows = database.all(`SELECT rowid AS "number of the row", * FROM "${table}" ORDER BY rowid`)
  return rows
    .map((row) =>
      JSON.stringify(row, (_, value: unknown) =>
        typeof value === 'bigint'
          ? `${value}n`
          : value instanceof Uint8Array
            ? Buffer.from(value).toString('hex')
            : value,
      ),
    )
    .join('\n')
}
