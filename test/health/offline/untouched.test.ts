import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, lstat, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { newCollection } from '../../helpers/api-for-suite.js'
import { startChroma, type TestChroma } from '../../helpers/chroma-server.js'
import { startCli } from '../../helpers/cli-process.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import { canMount } from '../../helpers/small-disk.js'
import {
  complaints,
  copyOf,
  healthOfDirectory,
  indexFolderOf,
  newFolder,
  writtenDirectory,
} from './directories.js'

let sound: string
let running: TestChroma | undefined

beforeAll(async () => {
  sound = await writtenDirectory(async (api) => {
    const collection = await newCollection(api, { name: 'docs', hnsw: { sync_threshold: 10 } })
    await api.add(collection, simpleRecords(0, 150))
    await api.add(collection, simpleRecords(200, 3))
  })
})

afterAll(async () => {
  await running?.stop()
})

/**
 * Every file and folder: what it holds, when it was written, and when anything about it was changed. Access
 * times may move; SQLite, run by root, gives a journal that it looks at to the owner that it has already.
 */
async function stateOf(directory: string): Promise<readonly string[]> {
  const lines: string[] = []
  const visit = async (file: string): Promise<void> => {
    const { mtimeNs, ctimeNs, ino, mode, size } = await lstat(file, { bigint: true })
    const isFolder = (await lstat(file)).isDirectory()
    const bytes = isFolder
      ? ''
      : createHash('sha256')
          .update(await readFile(file))
          .digest('hex')
    const changed = file.endsWith('-journal') ? '' : ctimeNs
    lines.push(
      [path.relative(directory, file), mtimeNs, changed, ino, mode, isFolder ? '' : size, bytes].join(' '),
    )
    if (isFolder) for (const name of (await readdir(file)).sort()) await visit(path.join(file, name))
  }
  await visit(directory)
  return lines
}

test.each(['live', 'ready', 'deep'] as const)(
  'level %s leaves every byte and every time as it was',
  async (level) => {
    const directory = await copyOf(sound)
    const before = await stateOf(directory)
    expect(complaints(await healthOfDirectory(directory, { level }))).toEqual([])
    expect(await stateOf(directory)).toEqual(before)
  },
)

test('damage leaves it as it was too', async () => {
  const directory = await copyOf(sound)
  await writeFile(path.join(await indexFolderOf(directory, 'docs'), 'index_metadata.pickle'), 'no pickle')
  const before = await stateOf(directory)
  const report = await healthOfDirectory(directory, { level: 'deep' })
  expect(complaints(report)).toEqual(['critical INDEX_METADATA_DAMAGED default_tenant/default_database/docs'])
  expect(await stateOf(directory)).toEqual(before)
})

test('a database in the middle of a transaction is read from a copy, and stays in the middle of it', async () => {
  const directory = await copyOf(sound)
  await leaveJournal(directory)
  const before = await stateOf(directory)
  const report = await healthOfDirectory(directory, { level: 'deep' })
  expect(report.database?.recovered).toBe(true)
  expect(complaints(report)).toEqual(['warning JOURNAL_HOT'])
  expect(report.collections[0]?.records).toBe(153)
  expect(await stateOf(directory)).toEqual(before)
})

test('a server on the directory is not disturbed, and the directory is well', async () => {
  const directory = await copyOf(sound)
  running = await startChroma({ directory })
  const report = await healthOfDirectory(directory, { level: 'deep' })
  expect(complaints(report)).toEqual([])
  expect(report.holder).toMatchObject({ state: 'held', by: [{ pid: running.pid }] })
  expect(report.findings.map(({ id }) => id)).toContain('DIRECTORY_HELD')
})

const mounted = canMount ? test : test.skip

mounted('a read-only mount is enough', async () => {
  const folder = await newFolder()
  const [source, target] = [path.join(folder, 'data'), path.join(folder, 'mounted')]
  await cp(sound, source, { recursive: true })
  await mkdir(target)
  const script =
    'mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" && ! touch "$2/x" 2>/dev/null && shift 2 && exec "$@"'
  const cli = await startCli(['health', '--path', target, '--level', 'deep', '--json'], {
    wrapper: ['unshare', '-rm', 'sh', '-c', script, 'sh', source, target],
  })
  const { exitCode, stdout, stderr } = await cli.ended
  expect([exitCode, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({ status: 'ok', path: target })
})

/** A journal as a killed writer leaves it: what it holds is rolled back by whoever opens the database next. */
async function leaveJournal(directory: string): Promise<void> {
  const script = `
    const Libsql = require('libsql')
    const database = new Libsql(process.argv[1])
    database.exec('PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE embeddings SET seq_id = 999999; DELETE FROM embeddings_queue')
    process.kill(process.pid, 'SIGKILL')`
  const child = spawn(process.execPath, ['-e', script, path.join(directory, 'chroma.sqlite3')], {
    stdio: 'inherit',
  })
  await once(child, 'close')
}
