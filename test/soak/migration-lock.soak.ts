import { setTimeout as pause } from 'node:timers/promises'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { LOCK_NAME, STALE_LOCK_PREFIX } from '../../src/core/migration-keys.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { ChromaNotFoundError } from '../../src/chroma/errors.js'
import { createLock, setAside } from '../../src/migrations/state/lock-requests.js'
import { collectionNamePath } from '../../src/chroma/api-path.js'
import { apiForSuite, home, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { seededRandom } from '../helpers/fault-proxy.js'
import { startLockProcess, type LockProcess } from '../helpers/lock-processes.js'
import { deadLock, lockNames } from '../helpers/migration-locks.js'

const SOAK_MS = Number(process.env['CHROMA_OPS_TEST_LOCK_MS'] ?? 240_000)
const ROUNDS = 40
const CONTENDERS = 10
const AT_ONCE = 5
const TTL = 2_000

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let target: CollectionDefinition

beforeEach(async () => {
  target = await newCollection(api(), { name: 'target' })
})

afterEach(async () => {
  for (const collection of await api().listCollections(home.tenant, home.database))
    await api().deleteCollection(collection)
})

test('processes that are killed and frozen at any moment never write beside another one', async () => {
  const random = seededRandom(7)
  const until = performance.now() + SOAK_MS
  const all: LockProcess[] = []
  const counts = { killed: 0, frozen: 0, taken: 0 }
  const alive = new Set<LockProcess>()
  const begin = () => {
    const name = `run${all.length}`
    const started = startLockProcess({ url: chroma().url, what: 'write', ttlMs: TTL, name })
    all.push(started)
    alive.add(started)
    const gone = () => void alive.delete(started)
    started.ended.then(gone, gone)
  }
  while (performance.now() < until) {
    while (alive.size < AT_ONCE) begin()
    await pause(200 + 600 * random())
    const holder = [...alive].find((each) => each.lines().includes('writing'))
    if (holder === undefined) continue
    counts.taken++
    if (random() < 0.5) {
      counts.killed++
      holder.kill('SIGKILL')
    } else {
      counts.frozen++
      holder.kill('SIGSTOP')
      // It comes back while another one is at work, or is not yet, or is dead again; what still has the lock dies.
      void pause(TTL * (0.5 + 3 * random())).then(async () => {
        holder.kill('SIGCONT')
        await pause(1_000)
        holder.kill('SIGKILL')
      })
    }
    alive.delete(holder)
  }
  for (const each of all) each.kill('SIGCONT')
  for (const each of all) each.kill('SIGKILL')
  await Promise.allSettled(all.map(({ ended }) => ended))

  const { ids } = await api().get(target, { include: [] })
  // A frozen one may have been stopped between asking and writing; that one write nobody can refuse.
  for (const [name, late] of lateWrites(ids)) expect([name, late <= 1]).toEqual([name, true])
  const errors = all.flatMap((each) => each.lines()).filter((line) => /^[A-Z]/.test(line))
  expect(errors.filter((line) => line !== 'MIGRATION_LOCK_LOST 11')).toEqual([])
  expect(counts.killed).toBeGreaterThan(0)
  expect(errors.length).toBeGreaterThan(0)
  console.log({ ...counts, lost: errors.length, late: [...lateWrites(ids)].length, records: ids.length })
})

test.each([
  ['setting it aside by its id: one winner in each round', true],
  ['control: deleting its name gives several', false],
])('thieves of a stale lock, %s', async (_, isOurs) => {
  const random = seededRandom(11)
  const winners: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const dead = await deadLock(api())
    const thieves = Array.from({ length: CONTENDERS }, async (_each, number) => {
      await pause(60 * random())
      if (isOurs) await setAside({ api: api(), ...home }, dead, STALE_LOCK_PREFIX, undefined)
      else await deleteName()
      return createLock({ api: api(), ...home }, { ...dead, token: `${round}-${number}` }, undefined)
    })
    winners.push((await Promise.all(thieves)).filter((won) => won !== null).length)
    for (const name of await lockNames(api()))
      await api().deleteCollection(await api().getCollection({ ...home, name }))
  }
  if (isOurs) expect(winners).toEqual(winners.map(() => 1))
  else expect(winners.some((number) => number > 1)).toBe(true)
})

async function deleteName(): Promise<void> {
  try {
    const path = collectionNamePath({ ...home, name: LOCK_NAME })
    await api().transport.send({ method: 'DELETE', path, idempotent: false })
  } catch (error) {
    if (!(error instanceof ChromaNotFoundError)) throw error
  }
}

/** For each run: its records behind the first one of a run that began to write after it. */
function lateWrites(ids: readonly string[]): ReadonlyMap<string, number> {
  const order: string[] = []
  const late = new Map<string, number>()
  for (const id of ids) {
    const [name = ''] = id.split(' ')
    if (!order.includes(name)) order.push(name)
    else if (order.at(-1) !== name) late.set(name, (late.get(name) ?? 0) + 1)
  }
  return late
}
