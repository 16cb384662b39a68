import { afterEach, beforeEach, expect, test } from '@jest/globals'

import type { CollectionDefinition } from '../../../src/core/records.js'
import { readState } from '../../../src/migrations/state/state-store.js'
import { apiForSuite, home, newCollection } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { startLockProcess, type LockProcess, type LockProcessJob } from '../../helpers/lock-processes.js'
import { locked, lockNames } from '../../helpers/migration-locks.js'
import { runNow } from '../../helpers/run-now.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const TTL = 2_000
/** `npm run test:soak` starts more. */
const PROCESSES = Number(process.env['CHROMA_OPS_TEST_LOCK_PROCESSES'] ?? 6)
const running: LockProcess[] = []
let target: CollectionDefinition

beforeEach(async () => {
  target = await newCollection(api(), { name: 'target' })
})

afterEach(async () => {
  for (const each of running.splice(0)) each.kill('SIGKILL')
  for (const collection of await api().listCollections(home.tenant, home.database))
    await api().deleteCollection(collection)
})

function start(name: string, job: Partial<LockProcessJob> = {}): LockProcess {
  const started = startLockProcess({ url: chroma().url, what: 'once', ttlMs: TTL, name, ...job })
  running.push(started)
  return started
}

test(`of ${PROCESSES} processes that begin at once, each waits for its turn and one does the work`, async () => {
  const many = Array.from({ length: PROCESSES }, (_, number) => start(`run${number}`, { ttlMs: 60_000 }))
  expect(await Promise.all(many.map(({ ended }) => ended))).toEqual(many.map(() => 0))
  const lines = many.flatMap((each) => each.lines())
  expect(lines.filter((line) => line === 'done')).toHaveLength(1)
  expect(lines.filter((line) => line === 'was done')).toHaveLength(PROCESSES - 1)
  expect(await api().count(target)).toBe(1)
  expect(await lockNames(api())).toEqual([])
}, 240_000)

test('a process that is killed is replaced after its time to live, and named', async () => {
  const dead = start('dead', { what: 'write' })
  await dead.said('writing')
  dead.kill('SIGKILL')
  const next = start('next')
  await next.ended
  expect(next.lines()).toEqual(['held dead', 'done'])
  expect(await lockNames(api())).toEqual([])
})

test('one that died on this machine is replaced at once', async () => {
  const dead = start('dead', { what: 'write', ttlMs: 60_000 })
  await dead.said('writing')
  dead.kill('SIGKILL')
  await dead.ended
  const lock = await locked(api())
  expect(lock.fenced).toMatchObject([{ runId: 'dead' }])
  await lock.release()
})

test.each([
  ['while its successor is at work', false],
  ['when its successor has finished', true],
])('a process that was frozen writes nothing more %s', async (_, isOver) => {
  const zombie = start('zombie', { what: 'write' })
  await zombie.said('writing')
  zombie.kill('SIGSTOP')
  const next = start('next', isOver ? {} : { what: 'write' })
  await (isOver ? next.ended : next.said('writing'))
  expect(next.lines()[0]).toBe('held zombie')
  const before = { records: await writtenBy('zombie'), state: await readState({ api: api(), ...home }) }
  zombie.kill('SIGCONT')
  await zombie.ended
  expect(zombie.lines()).toEqual(['held', 'writing', 'MIGRATION_LOCK_LOST 11'])
  // It may have been stopped between asking and writing: Chroma cannot refuse that one write.
  expect((await writtenBy('zombie')) - before.records).toBeLessThanOrEqual(1)
  expect(await readState({ api: api(), ...home })).toEqual(before.state)
  if (isOver) expect(await lockNames(api())).toEqual([])
  else {
    const written = await writtenBy('next')
    while ((await writtenBy('next')) === written) await new Promise((resolve) => setTimeout(resolve, 20))
  }
})

const fakeTime = runNow('faketime', ['--version']).status === 0 ? test : test.skip
fakeTime('a process whose wall clock is an hour ahead waits like any other (faketime)', async () => {
  const holder = start('holder', { what: 'write', ttlMs: 5_000 })
  await holder.said('writing')
  const ahead = start('ahead', { wrapper: ['faketime', '--exclude-monotonic', '-f', '+1h'] })
  await new Promise((resolve) => setTimeout(resolve, 7_000))
  expect(ahead.lines()).toEqual([])
  holder.kill('SIGKILL')
  await ahead.ended
  expect(ahead.lines()).toEqual(['held holder', 'done'])
})

async function writtenBy(name: string): Promise<number> {
  const { ids } = await api().get(target, { include: [] })
  return ids.filter((id) => id.startsWith(`${name} `)).length
}
