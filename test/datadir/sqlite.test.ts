import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { openDatabase, type Database } from '../../src/datadir/sqlite.js'

describe('SQLite', () => {
  let directory = ''
  let file = ''
  const open: Database[] = []
  const opened = async (mode: 'read' | 'write', busyTimeoutMs = 100) => {
    const database = await openDatabase(file, { mode, busyTimeoutMs })
    open.push(database)
    return database
  }

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-sqlite %41?#ü-'))
    file = path.join(directory, 'chroma.sqlite3')
    await writeFile(file, '')
  })
  afterEach(async () => {
    for (const database of open.splice(0)) database.close()
    await rm(directory, { recursive: true })
  })

  test('keeps the types of SQLite', async () => {
    const database = await opened('write')
    database.exec('CREATE TABLE t (a, b, c, d, e)')
    const row = { a: 2n ** 63n - 1n, b: 1, c: 'größer 👍', d: Uint8Array.of(0, 255, 66), e: null }
    expect(database.run('INSERT INTO t VALUES (?, ?, ?, ?, ?)', row.a, row.b, row.c, row.d, row.e)).toEqual({
      changes: 1,
    })
    const [read] = database.all('SELECT *, typeof(b) AS type FROM t;')
    expect({ ...read, d: Buffer.from(blob(read?.['d'])) }).toEqual({
      ...row,
      d: Buffer.from(row.d),
      type: 'real',
    })
  })

  test('leaves foreign keys alone, as Chroma does', async () => {
    const database = await opened('write')
    database.exec('CREATE TABLE owner (id TEXT PRIMARY KEY)')
    database.exec(
      'CREATE TABLE owned (id TEXT REFERENCES owner(id) ON DELETE CASCADE, x REFERENCES nowhere(id))',
    )
    database.exec("INSERT INTO owner VALUES ('a')")
    database.exec("INSERT INTO owned VALUES ('a', 1)")
    expect(database.run('DELETE FROM owner')).toEqual({ changes: 1 })
    expect(database.all('SELECT id FROM owned')).toHaveLength(1)
  })

  test('text with NUL or without UTF-8 is read, bytes of any kind too', async () => {
    const database = await opened('write')
    expect(database.get("SELECT CAST(x'410042' AS TEXT) AS a, CAST(x'ff41' AS TEXT) AS b, x'' AS c")).toEqual(
      {
        a: 'A\0B',
        b: '\ufffdA',
        c: new Uint8Array(0),
      },
    )
  })

  test('reading creates and changes nothing', async () => {
    const writer = await opened('write')
    writer.exec('CREATE TABLE t (a)')
    const before = await readFile(file)
    const reader = await opened('read')
    expect(() => reader.exec('INSERT INTO t VALUES (1)')).toThrow(/readonly/)
    expect(reader.get('SELECT count(*) AS n FROM t')).toEqual({ n: 0n })
    expect(await readFile(file)).toEqual(before)
    expect(await readdir(directory)).toEqual(['chroma.sqlite3'])
  })

  test.each(['read', 'write'] as const)('does not create a database (mode %s)', async (mode) => {
    await rm(file)
    await expect(openDatabase(file, { mode })).rejects.toMatchObject({
      code: 'NOT_A_DATA_DIRECTORY',
      exitCode: 10,
    })
    expect(existsSync(file)).toBe(false)
    await writeFile(file, '')
  })

  test('a file of another kind is damaged', async () => {
    await writeFile(file, Buffer.alloc(8192, 7))
    await expect(openDatabase(file, { mode: 'read' })).rejects.toMatchObject({
      code: 'DATABASE_DAMAGED',
      exitCode: 13,
    })
  })

  test('says when another connection keeps the database locked', async () => {
    const writer = await opened('write')
    writer.exec('CREATE TABLE t (a); BEGIN EXCLUSIVE')
    await expect(openDatabase(file, { mode: 'read', busyTimeoutMs: 50 })).rejects.toMatchObject({
      code: 'DATABASE_BUSY',
      exitCode: 11,
    })
  })

  test('leaving a loop, or closing, lets go of the lock', async () => {
    const writer = await opened('write')
    writer.exec('CREATE TABLE t (a)')
    const insert =
      'INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) SELECT n FROM c'
    writer.exec(insert)
    const reader = await openDatabase(file, { mode: 'read' })
    const rows = reader.iterate('SELECT a FROM t WHERE a > ? ORDER BY a DESC', 5n)
    expect(rows.next().value).toEqual({ a: 5000n })
    expect(() => writer.exec(insert)).toThrow(expect.objectContaining({ code: 'DATABASE_BUSY' }))
    rows.return?.()
    writer.exec(insert)
    expect(reader.get('SELECT a FROM t')).toEqual({ a: 1n })
    writer.exec(insert)
    reader.iterate('SELECT a FROM t').next()
    reader.close()
    writer.exec(insert)
  })

  test('does not roll back the transaction of a killed writer', async () => {
    const writer = await opened('write')
    writer.exec('CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))')
    writer.exec('PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE t SET a = randomblob(100000)')
    const journal = `${file}-journal`
    const killed = path.join(directory, 'killed.sqlite3')
    await copyFile(journal, `${killed}-journal`)
    await copyFile(file, killed)
    writer.exec('ROLLBACK')
    await expect(openDatabase(killed, { mode: 'read' })).rejects.toMatchObject({ code: 'DATABASE_JOURNAL' })
    expect(existsSync(`${killed}-journal`)).toBe(true)
  })

  test('names what fails', async () => {
    const database = await opened('read')
    expect(() => database.all('SELECT absent')).toThrow(/no such column: absent/)
    expect(database.library).toMatch(/^(node:sqlite|libsql)$/)
    expect(database.sqliteVersion).toMatch(/^3\./)
  })
})

function blob(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error('not a BLOB')
  return value
}
