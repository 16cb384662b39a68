import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { emptyQuarantine, listQuarantine } from '../../src/cleanup/quarantine.js'
import { defaultQuarantine } from '../../src/cleanup/run-record.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { makeOwnFolder } from '../../src/datadir/own-folder.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { stateOf } from '../helpers/directory-state.js'
import { makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { cleanupJob, undoJob } from './jobs.js'

const root = path.resolve(import.meta.dirname, '../..')
const ORPHANS = { targets: ['orphans'] } as const

let littered: LitteredDirectory
let scratch: string
beforeAll(async () => {
  littered = await makeLitteredDirectory()
  scratch = await mkdtemp(path.join(tmpdir(), 'chroma-ops-strange-'))
})
afterAll(async () => {
  await littered.dispose()
  await rm(scratch, { recursive: true })
})

test('nothing is made in a directory that is none of Chroma', async () => {
  await expect(applyCleanup(cleanupJob(scratch))).rejects.toMatchObject({ code: 'NOT_A_DATA_DIRECTORY' })
  await expect(undoCleanup(undoJob(scratch))).rejects.toMatchObject({ code: 'NOT_A_DATA_DIRECTORY' })
  const quarantine = defaultQuarantine(scratch)
  const job = { directory: scratch, quarantine, now: () => new Date(), apply: true }
  expect(await emptyQuarantine(job)).toMatchObject({ runs: [], errors: [] })
  expect(await readdir(scratch)).toEqual([])
})

test('a file or a symbolic link in the place of our folder is refused', async () => {
  const directory = await littered.copy()
  const own = path.join(directory, '.chroma-ops')
  await rm(own, { recursive: true, force: true })
  await symlink(scratch, own)
  await expect(applyCleanup(cleanupJob(directory, ORPHANS))).rejects.toMatchObject({ exitCode: 14 })
  expect(await readdir(scratch)).toEqual([])
  await rm(own)
  await writeFile(own, 'a file')
  await expect(applyCleanup(cleanupJob(directory, ORPHANS))).rejects.toMatchObject({ exitCode: 14 })
})

test('a folder of the quarantine whose record cannot be read stands in the way of nothing', async () => {
  const directory = await littered.copy()
  const quarantine = defaultQuarantine(directory)
  await applyCleanup(cleanupJob(directory, ORPHANS))
  await mkdir(path.join(quarantine, 'zzz'))
  await writeFile(path.join(quarantine, 'zzz', 'run.json'), '{')
  expect(await listQuarantine(quarantine)).toHaveLength(1)
  expect(await undoCleanup(undoJob(directory))).toMatchObject({ directories: 4, errors: [] })
  await emptyQuarantine({ directory, quarantine, now: () => new Date(), apply: true })
  expect(await readdir(quarantine)).toEqual(['zzz'])
})

test('what a killed writer left unfinished is rolled back by --apply, and a plan says so', async () => {
  const directory = await littered.copy()
  const before = await stateOf(directory)
  await killWriter(path.join(directory, 'chroma.sqlite3'))
  const journal = path.join(directory, 'chroma.sqlite3-journal')
  expect((await lstat(journal)).size).toBeGreaterThan(1000)
  await expect(planOf(cleanupJob(directory))).rejects.toMatchObject({
    code: 'DATABASE_JOURNAL',
    hint: expect.stringContaining('--apply'),
  })
  expect(await applyCleanup(cleanupJob(directory, ORPHANS))).toMatchObject({ errors: [] })
  expect(await undoCleanup(undoJob(directory))).toMatchObject({ errors: [] })
  expect(await stateOf(directory)).toEqual(before)
})

test('a note of a killed vacuum that cannot be read is told, by an undo too', async () => {
  const directory = await littered.copy()
  await applyCleanup(cleanupJob(directory, ORPHANS))
  await writeFile(
    path.join(directory, 'chroma.sqlite3'),
    'chroma-ops is overwriting this database\nnot JSON'.padEnd(8192, '\0'),
  )
  for (const run of [planOf(cleanupJob(directory)), undoCleanup(undoJob(directory))])
    await expect(run).rejects.toMatchObject({ exitCode: 13, hint: expect.stringContaining('--via') })
  await expect(openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'read' })).rejects.toMatchObject({
    code: 'DATABASE_DAMAGED',
    message: expect.stringContaining('a vacuum was killed'),
    hint: `chroma-ops cleanup --path '${directory}' --apply`,
  })
  expect((await readdir(directory)).filter((name) => /^[0-9a-f]{8}-/.test(name))).toHaveLength(3)
})

const asRoot = process.getuid?.() === 0 ? test : test.skip
asRoot('what root makes in the directory of another user is theirs', async () => {
  const directory = await mkdtemp(path.join(scratch, 'theirs-'))
  const { chown } = await import('node:fs/promises')
  await chown(directory, 1234, 1234)
  expect(await lstat(await makeOwnFolder(directory))).toMatchObject({ uid: 1234, gid: 1234 })
})

/** A process that has begun to write a transaction into the file when it dies. */
async function killWriter(file: string): Promise<void> {
  const script = `import { openDatabase } from './src/datadir/sqlite.ts'
    const database = await openDatabase(${JSON.stringify(file)}, { mode: 'write' })
    database.exec("PRAGMA cache_size = 2; BEGIN IMMEDIATE; UPDATE embedding_metadata SET string_value = hex(zeroblob(300))")
    process.kill(process.pid, 'SIGKILL')`
  const words = ['--import', './test/helpers/run-typescript.js', '--input-type=module', '-e', script]
  await once(spawn(process.execPath, words, { cwd: root, stdio: 'inherit' }), 'exit')
}
