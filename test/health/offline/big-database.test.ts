import { readFile, readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { beforeAll, expect, test } from '@jest/globals'

import { isErrno } from '../../../src/core/errors.js'
import { checkDatabaseApart } from '../../../src/health/offline/check-database-apart.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { startCli } from '../../helpers/cli-process.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import { changeDatabase, copyOf, healthOfDirectory, writtenDirectory } from './directories.js'

// A database from 32 MiB on is checked in a process of its own.
const FILLING = [
  'CREATE TABLE filling (x)',
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO filling SELECT zeroblob(1000000) FROM n',
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

test('the process that checks it ends at once when the check is stopped', async () => {
  const stopping = new AbortController()
  const request = { directory: big, level: 'deep', held: false } as const
  const checking = checkDatabaseApart(request, stopping.signal)
  stopping.abort()
  await expect(checking).rejects.toMatchObject({ code: 'ABORTED' })
  while ((await childrenOf(process.pid)).length > 0) await sleep(20)
})

/** Processes that check a database for this one. */
async function childrenOf(parent: number): Promise<readonly string[]> {
  const found: string[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = await textOf(`/proc/${name}/status`)
    if (Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) !== parent) continue
    if ((await textOf(`/proc/${name}/cmdline`)).includes('check-database.js')) found.push(name)
  }
  return found
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return ''
    throw error
  }
}
