import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { planPrune } from '../../src/backup/plan-prune.js'
import { applyPrune } from '../../src/backup/prune-repository.js'
import { initRepository, openRepository, type Repository } from '../../src/backup/repository.js'
import { MaintenanceLockedError } from '../../src/backup/maintenance-errors.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { nightlyJob } from '../helpers/nights.js'
import { pruneJob, wholeBackups } from '../helpers/prunes.js'
import { waitUntil, within } from '../helpers/wait-until.js'

/** `npm run test:soak` does it at every step. */
const STRIDE = process.env['CHROMA_OPS_TEST_STRIDE']
const TTL_MS = 600
/**
 * A run may be killed or stopped while it has the lock that the folder keeps for a moment at a time; after half a minute
 * the lock is taken for that of a dead one.
 */
const PATIENCE_MS = 150_000
const now = () => new Date()
const unlimited = { graceMs: 0, purgeNow: true, leaseTtlMs: TTL_MS }

let folder: string
let made: string
let newest: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-killed-prune-'))
  made = path.join(folder, 'made')
  const { repository } = await initRepository({ store: new LocalStore(made), now: now() })
  // So many that a run which is stopped at the first deletion has more to begin than are under way at once.
  for (let night = 0; night < 7; night++) {
    const { head } = await createBackup(nightlyJob(repository, String(night), now))
    newest = head.id
  }
  await applyPrune(pruneJob(repository, now, { last: 3 }))
})

afterAll(() => rm(folder, { recursive: true }))

async function copyOfMade(name: string): Promise<{ directory: string; repository: Repository }> {
  const directory = path.join(folder, name)
  await cp(made, directory, { recursive: true })
  return { directory, repository: await openRepository({ store: new LocalStore(directory) }) }
}

interface Child {
  readonly process: ChildProcess
  readonly said: string[]
  /** Resolves when it says this. */
  says(text: string): Promise<void>
  readonly ended: Promise<void>
}

function start(args: readonly string[], environment: Record<string, string> = {}): Child {
  const helpers = path.join(process.cwd(), 'test', 'helpers')
  const imports = ['run-typescript.js', ...('DIE_BELOW' in environment ? ['die-at-step.js'] : [])]
  const child = spawn(
    process.execPath,
    [
      '--no-warnings',
      ...imports.flatMap((file) => ['--import', path.join(helpers, file)]),
      path.join(helpers, 'prune-process.ts'),
      ...args,
    ],
    { env: { PATH: process.env['PATH'], ...environment }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const said: string[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => said.push(line))
  const closed = Promise.all([once(child, 'close'), once(lines, 'close')]).then(() => {})
  const says = (text: string) =>
    waitUntil(`the process says ${text}`, () => {
      if (said.includes(text)) return true
      if (child.exitCode === null && child.signalCode === null) return false
      throw new Error(`the process has ended and has not said ${text}, only ${said.join(', ')}`)
    })
  const ended = within('the process ends', closed, PATIENCE_MS)
  // Whoever waits for it sees it.
  ended.catch(() => {})
  return { process: child, said, says, ended }
}

/** As soon as the lease of a dead run has run out. */
async function pruneToEnd(repository: Repository): Promise<void> {
  const prune = async () => {
    try {
      await applyPrune(pruneJob(repository, now, { last: 1 }, unlimited))
      return true
    } catch (error) {
      if (!(error instanceof MaintenanceLockedError)) throw error
      return false
    }
  }
  await waitUntil('the lease of the dead run runs out', prune, {
    pollMs: TTL_MS / 4,
    limitMs: PATIENCE_MS,
  })
}

test('a prune that is killed at any step has deleted nothing that is needed, and the next one finishes', async () => {
  const counted = await copyOfMade('counted')
  const count = path.join(folder, 'steps')
  const environment = { DIE_BELOW: counted.directory, DIE_COUNT: count }
  await start([counted.directory, 'prune', String(TTL_MS)], environment).ended
  const steps = Number(await readFile(count, 'utf8'))
  expect(steps).toBeGreaterThan(40)
  const stride = STRIDE === undefined ? Math.ceil(steps / 7) : Number(STRIDE)
  for (let step = 1; step <= steps; step += stride) {
    const { directory, repository } = await copyOfMade(`killed-${step}`)
    const run = start([directory, 'prune', String(TTL_MS)], { DIE_BELOW: directory, DIE_AT: String(step) })
    await run.ended
    expect({ step, signal: run.process.signalCode }).toEqual({ step, signal: 'SIGKILL' })
    expect(await wholeBackups(repository)).toContain(newest)
    await pruneToEnd(repository)
    expect(await wholeBackups(repository)).toEqual([newest])
    const plan = await planPrune(pruneJob(repository, now, { last: 1 }, unlimited))
    expect(plan).toMatchObject({ trash: [], freed: { objects: 0 }, freedLater: { objects: 0 } })
    await rm(directory, { recursive: true })
  }
}, 3_600_000)

test('a prune that was stopped, while another one took over, deletes nothing more and says so', async () => {
  const { directory, repository } = await copyOfMade('stopped')
  const stopped = start([directory, 'stop', String(TTL_MS)])
  await stopped.says('stopped')
  await pruneToEnd(repository)
  const later = await createBackup(nightlyJob(repository, 'later', now))
  const keys: string[] = []
  for await (const { key } of repository.store.list('')) keys.push(key)
  stopped.process.kill('SIGCONT')
  await stopped.ended
  expect(stopped.said).toEqual(['begin', 'stopped', 'LEASE_LOST'])
  for await (const { key } of repository.store.list('')) keys.splice(keys.indexOf(key), 1)
  expect(keys).toEqual([])
  expect(await wholeBackups(repository)).toEqual([newest, later.head.id])
}, 300_000)

test('backups of two processes and prunes of a third, all at once: every backup that is there is whole', async () => {
  const { directory, repository } = await copyOfMade('busy')
  const backups = [start([directory, 'backup', '6']), start([directory, 'backup', '6'])]
  const over = new AbortController()
  const ended = Promise.all(backups.map((each) => each.ended)).then(() => {
    over.abort()
  })
  let prunes = 0
  while (!over.signal.aborted) {
    await applyPrune(pruneJob(repository, now, { last: 2 }, unlimited))
    await wholeBackups(repository)
    prunes++
  }
  await ended
  const said = backups.flatMap((each) => each.said)
  expect(said.filter((word) => word === 'begin')).toHaveLength(2)
  expect(said.filter((word) => word === 'done').length).toBeGreaterThan(0)
  expect(prunes).toBeGreaterThan(0)
  await wholeBackups(repository)
}, 300_000)
