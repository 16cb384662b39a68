import { readFile, readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { beforeAll, describe, expect, test } from '@jest/globals'

import { isErrno } from '../../../src/core/errors.js'
import { checkDatabaseApart } from '../../../src/health/offline/check-database-apart.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { startCli, type CliProcess } from '../../helpers/cli-process.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import { waitUntil } from '../../helpers/wait-until.js'
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
  await waitUntil('no process checks any more', async () => (await childrenOf(process.pid)).length === 0)
})

/** 300,000 rows that SQLite needs milliseconds each to check; while they were written, their column was cheap. */
const SLOW = [
  'CREATE TABLE slow (x, y AS (instr(hex(zeroblob(10)), x)) NOT NULL)',
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) INSERT INTO slow SELECT 'x' FROM n",
  'PRAGMA writable_schema = ON',
  "UPDATE sqlite_master SET sql = replace(sql, 'zeroblob(10)', 'zeroblob(1000000)') WHERE name = 'slow'",
]

describe('while SQLite is inside a check that takes ten minutes', () => {
  let slow: string

  beforeAll(async () => {
    slow = await copyOf(big)
    await changeDatabase(slow, ...SLOW)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the run with %d, and the process that checks', async (signal, exitCode) => {
    const run = await startCli(['health', '--path', slow, '--level', 'deep', '--json'])
    const child = await checkingProcess(run)
    run.kill(signal)
    const { exitCode: code, stdout } = await run.ended
    expect([code, JSON.parse(stdout)]).toMatchObject([exitCode, { error: { exitCode } }])
    await gone(child)
  })

  test('--timeout ends them too', async () => {
    const run = await startCli(['health', '--path', slow, '--timeout', '2s', '--json'])
    const children = new Set<string>()
    while (!(await hasEnded(run))) for (const child of await childrenOf(run.pid)) children.add(child)
    const { exitCode, stdout } = await run.ended
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([18, { error: { code: 'TIMEOUT' } }])
    for (const child of children) await gone(child)
  })

  test('when the command is killed, the process that checks ends by itself', async () => {
    const run = await startCli(['health', '--path', slow])
    const child = await checkingProcess(run)
    run.kill('SIGKILL')
    await run.ended
    await gone(child)
  })
})

/** The process that checks the database for this run, once it has worked on it for a moment. */
async function checkingProcess(run: CliProcess): Promise<string> {
  while (!(await hasEnded(run))) {
    const [child] = await childrenOf(run.pid)
    if (child !== undefined && (await cpuSeconds(child)) > STARTING_SECONDS) return child
  }
  throw new Error(`the run has ended before the check: ${JSON.stringify(await run.ended)}`)
}

/** Whether the run has ended, asked again after a moment. */
async function hasEnded(run: CliProcess): Promise<boolean> {
  return Promise.race([run.ended.then(() => true), sleep(50).then(() => false)])
}

/** More than the process needs for everything else. */
const STARTING_SECONDS = 1
const TICKS_PER_SECOND = 100

/** Fields 14 and 15 of /proc/PID/stat; the name before them may contain spaces. */
async function cpuSeconds(pid: string): Promise<number> {
  const fields = (await textOf(`/proc/${pid}/stat`)).split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function gone(pid: string): Promise<void> {
  await waitUntil(`process ${pid} is gone`, async () => (await textOf(`/proc/${pid}/cmdline`)) === '')
}

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
