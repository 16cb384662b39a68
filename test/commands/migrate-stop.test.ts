import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { sleep } from '../../src/core/abort.js'
import { apiForSuite, home } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli, type CliProcess } from '../helpers/cli-process.js'
import { runJson } from '../helpers/outcomes.js'
import { runCli } from '../helpers/run-cli.js'
import { waitUntil, within } from '../helpers/wait-until.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const running: CliProcess[] = []
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-migrate-stop-'))
})
afterAll(async () => {
  for (const run of running) run.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

/** Migrations of which the second waits in its second step, in the first run only, until it is stopped. */
async function project(database: string) {
  await api().createDatabase(home.tenant, database)
  const dir = path.join(folder, database)
  const began = path.join(folder, `${database}-began`)
  await mkdir(dir)
  const file = (up: string) =>
    `import { existsSync, writeFileSync } from 'node:fs'
     import { defineMigration } from 'chroma-ops'
     export default defineMigration({ description: 'a test', async up(m) { ${up} } })\n`
  const write = (name: string, up: string) => writeFile(path.join(dir, name), file(up))
  await write('00001_docs.ts', `await m.collection('docs').create()`)
  const wait = `
    await m.collection('docs').setMetadata({ owner: 'ada' })
    await m.step('wait', async ({ signal }) => {
      if (existsSync(${JSON.stringify(began)})) return
      writeFileSync(${JSON.stringify(began)}, '')
      await new Promise((_, reject) => {
        // Nobody ends this one, and the process ends all the same.
        setInterval(() => {}, 1000)
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    }, { down: () => {} })`
  await write('00002_wait.ts', wait)
  const flags = ['--dir', dir, '--url', chroma().url, '--database', database, '--state-dir', folder]
  return { began, write, args: (...words: readonly string[]) => ['migrate', ...words, ...flags] }
}

/** Starts the command and waits until its migration waits. A test that fails leaves no process. */
async function started(words: readonly string[], began: string): Promise<CliProcess> {
  // A killed run leaves its temporary folder.
  const run = await startCli(words, { environment: { TMPDIR: folder } })
  running.push(run)
  await waitUntil('the step that waits', () => existsSync(began))
  return run
}

test('Ctrl-C stops at a safe place (130), and resume goes on from there', async () => {
  const { began, args } = await project('interrupted')
  const run = await started(args('up', '--no-backup', '--json'), began)
  run.kill('SIGINT')
  const { exitCode, stdout } = await within('the end', run.ended)
  expect(exitCode).toBe(130)
  expect(JSON.parse(stdout)).toMatchObject({
    to: '00001',
    migrations: [{ status: 'success' }, { status: 'error', steps: [{ state: 'done' }, { state: 'failed' }] }],
    error: { code: 'INTERRUPTED', exitCode: 130 },
  })
  expect(await runJson(args('status'))).toMatchObject({ lock: null, conditions: ['dirty'] })
  expect(await runJson(args('resume'))).toMatchObject({
    action: 'resume',
    to: '00002',
    migrations: [{ version: '00002', resumed: true, steps: [{ state: 'earlier' }, { state: 'done' }] }],
  })
  expect(await runJson(args('status'))).toMatchObject({ conditions: [] })
}, 60_000)

test('a killed run is told by status, and up goes on by itself', async () => {
  const { began, args } = await project('killed')
  const run = await started(args('up', '--no-backup'), began)
  run.kill('SIGKILL')
  await run.ended
  const status = await runCli(args('status', '--fail-on', 'dirty'))
  expect(status.exitCode).toBe(3)
  expect(status.stdout).toContain(`pid ${run.pid}`)
  expect(status.stdout).toMatch(/next: "chroma-ops migrate up --dir/)
  const up = await runJson(args('up', '--lock-wait', '0'))
  expect(up).toMatchObject({
    to: '00002',
    migrations: [{ version: '00002', resumed: true }],
    warnings: [{ code: 'LOCK_TAKEN_OVER' }],
  })
  expect(await runJson(args('status'))).toMatchObject({ lock: null, conditions: [] })
}, 60_000)

test('a migration that never ends, and waits for nothing, does not end the process without a word', async () => {
  const { args, began, write } = await project('endless')
  await write('00003_endless.ts', `writeFileSync(${JSON.stringify(began)}, ''); await new Promise(() => {})`)
  const run = await started(args('plan', '--json'), began)
  // Long enough for Node to find out that it has nothing more to do.
  expect(await Promise.race([run.ended, sleep(1_000)])).toBeUndefined()
  run.kill('SIGINT')
  const { exitCode, stdout } = await within('the end', run.ended)
  expect(exitCode).toBe(130)
  expect(JSON.parse(stdout)).toMatchObject({ error: { exitCode: 130 } })
}, 60_000)
