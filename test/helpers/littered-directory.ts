import { createHash } from 'node:crypto'
import { cp, lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { openDatabase, type Database, type SqlValue } from '../../src/datadir/sqlite.js'
import { startChroma, type TestChroma } from './chroma-server.js'

/** A stopped server's directory, with what deleted collections and databases leave in it. */
export interface LitteredDirectory {
  readonly path: string
  /** The tenants of its collections. */
  readonly tenants: readonly string[]
  /** A fresh copy, removed by `dispose`. */
  copy(): Promise<string>
  dispose(): Promise<void>
}

export const LITTER_TENANTS = ['default_tenant', 'acme'] as const

/** Writes with a real server: alive are `docs` in two tenants and `small`; deleted are three collections and a database. */
export async function makeLitteredDirectory(): Promise<LitteredDirectory> {
  const server = await startChroma()
  await litter(server)
  await server.halt()
  const copies: string[] = []
  return {
    path: server.directory,
    tenants: LITTER_TENANTS,
    async copy() {
      const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-litter-'))
      copies.push(folder)
      await cp(server.directory, folder, { recursive: true, preserveTimestamps: true })
      return folder
    },
    async dispose() {
      for (const folder of [server.directory, ...copies]) await rm(folder, { recursive: true, force: true })
    },
  }
}

async function litter({ url }: TestChroma): Promise<void> {
  const tenants = `${url}/api/v2/tenants`
  const home = `${tenants}/default_tenant/databases/default_database/collections`
  await post(tenants, { name: 'acme' })
  await post(`${tenants}/acme/databases`, { name: 'main' })
  await post(`${tenants}/acme/databases`, { name: 'doomed' })
  const acme = `${tenants}/acme/databases/main/collections`
  const doomed = `${tenants}/acme/databases/doomed/collections`
  for (const [place, name, count] of [
    [home, 'gone-1', 40],
    [home, 'docs', 35],
    [home, 'gone-2', 25],
    [acme, 'docs', 33],
    [doomed, 'lost', 30],
    [home, 'small', 3],
    [acme, 'gone-3', 12],
  ] as const)
    await addRecords(place, name, count)
  for (const [place, name] of [
    [home, 'gone-1'],
    [home, 'gone-2'],
    [acme, 'gone-3'],
  ] as const)
    await request(`${place}/${name}`, 'DELETE')
  await request(`${tenants}/acme/databases/doomed`, 'DELETE')
}

/** Creates a collection that saves its index after every 10 writes, and adds records to it in pieces. */
export async function addRecords(place: string, name: string, count: number, piece = 7): Promise<string> {
  const created = await post(place, {
    name,
    get_or_create: true,
    configuration: { hnsw: { sync_threshold: 10, batch_size: 5 } },
  })
  const id = String(new Map(Object.entries(created ?? {})).get('id'))
  for (let from = 0; from < count; from += piece) {
    const rows = Array.from({ length: Math.min(piece, count - from) }, (_, row) => from + row)
    await post(`${place}/${id}/add`, {
      ids: rows.map((row) => `${name}-${row}`),
      embeddings: rows.map((row) => [row + 1, count, 0.5]),
      documents: rows.map((row) => `document ${row} of ${name}\u0000after a NUL`),
      metadatas: rows.map((row) => ({ row, [`tags-${name}`]: ['a', 'b', `${row}`] })),
    })
  }
  return id
}

export function post(url: string, body: unknown): Promise<object | null> {
  return request(url, 'POST', body)
}

async function request(url: string, method: string, body?: unknown): Promise<object | null> {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  const value: unknown = text === '' ? null : JSON.parse(text)
  return typeof value === 'object' ? value : null
}

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
    const file = path.join(directory, name)
    const { mode, uid, gid } = await lstat(file)
    const kind = (await lstat(file)).isDirectory() ? 'directory' : await contentOf(file)
    state.set(name, `${kind} ${mode.toString(8)} ${uid}:${gid}`)
  }
  await withDatabase(directory, (database) => {
    for (const table of tablesOf(database)) state.set(table, rowsOf(database, table))
  })
  return state
}

async function contentOf(file: string): Promise<string> {
  if ((await lstat(file)).isSymbolicLink()) return `link to ${await readlink(file)}`
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
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
