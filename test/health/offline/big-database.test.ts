import { readFile, readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { beforeAll, expect, test } from '@jest/globals'

import { isErrno } from '../../../src/core/errors.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { startCli } from '../../helpers/cli-process.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import { changeDatabase, copyOf, healthOfDirectory, writtenDirectory } from './directories.js'

// A database from 32 MiB on is checked in a process of its own.
const FILLING = [
  'CREATE TABLE filling (x)',
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO filling SELECT zeroblob(1000000) FROM n',
]
// SQLite evaluates it for each row while it checks, which takes minutes.
const SLOW = [
  'PRAGMA ignore_check_constraints = ON',
  "CREATE TABLE slow (x CHECK (length(replace(hex(zeroblob(20000000 + x)), '0', 'ab')) > x))",
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO slow SELECT i FROM n',
]

let small: string
let big: string

beforeAll(async () => {
  small = await writtenDirectory(async (api) => {
    const collection = await newCollection(api, { name: 'docs', hnsw: { sync_threshold: 10 } })
    await api.add(collection, simpleRecords(0, 150))
  })
  big = await copyOf(small)
  await changeDatabase(big, ...FILLING)
})

async function health(directory: string, ...args: readonly string[]) {
  const cli = await startCli(['health', '--path', directory, ...args])
  return { ...cli, ended: await cli.ended }
}

test('a big database is told of as a small one is', async () => {
  const { ended } = await health(big, '--level', 'deep', '--json')
  expect([ended.exitCode, ended.stderr]).toEqual([0, ''])
  const { database, collections } = await healthOfDirectory(small, { level: 'deep' })
  expect(JSON.parse(ended.stdout)).toMatchObject({
    status: 'ok',
    database: { checked: 'thorough', log: database?.log },
    collections,
  })
})

test('what is wrong with it is found, and named', async () => {
  const directory = await copyOf(big)
  await changeDatabase(
    directory,
    "INSERT INTO embedding_metadata (id, key, string_value) VALUES (999999, 'k', 'v')",
    "UPDATE max_seq_id SET seq_id = x'0000000000000001' WHERE segment_id IN (SELECT id FROM segments WHERE scope = 'VECTOR')",
  )
  const { ended } = await health(directory, '--json')
  expect(ended.exitCode).toBe(4)
  expect(JSON.parse(ended.stdout)).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({
        id: 'POSITION_NOT_CONVERTED',
        collection: 'default_tenant/default_database/docs',
      }),
      expect.objectContaining({ id: 'ORPHAN_RECORDS', evidence: '1 row of metadata: "999999"' }),
    ]),
  })
})

test.each(['ready', 'deep'])('a check of level %s that takes minutes ends on Ctrl-C', async (level) => {
  const directory = await copyOf(big)
  await changeDatabase(directory, ...SLOW)
  const cli = await startCli(['health', '--path', directory, '--level', level])
  const child = await Promise.race([childOf(cli.pid), cli.ended.then(({ stderr }) => stderr)])
  if (typeof child === 'string') throw new Error(`it ended by itself: ${child}`)
  cli.kill('SIGINT')
  expect(await cli.ended).toMatchObject({ exitCode: 130, stdout: '' })
  await gone(child)
})

test('and when its time is over', async () => {
  const directory = await copyOf(big)
  await changeDatabase(directory, ...SLOW)
  const { ended } = await health(directory, '--timeout', '1s')
  expect(ended).toMatchObject({ exitCode: 18, stdout: '' })
})

/** The process that checks the database, once it runs. */
async function childOf(parent: number): Promise<number> {
  while ((await parentOf(parent)) !== null) {
    for (const name of await readdir('/proc'))
      if (/^\d+$/.test(name) && (await parentOf(Number(name))) === parent) return Number(name)
    await sleep(20)
  }
  throw new Error(`process ${parent} is gone`)
}

async function gone(pid: number): Promise<void> {
  while ((await parentOf(pid)) !== null) await sleep(20)
}

async function parentOf(pid: number): Promise<number | null> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1])
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return null
    throw error
  }
}
