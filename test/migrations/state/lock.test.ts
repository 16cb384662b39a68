import { afterEach, describe, expect, test } from '@jest/globals'

import { collectionPath } from '../../../src/chroma/api-path.js'
import type { ChromaApi } from '../../../src/chroma/api.js'
import { LOCK_KEY, LOCK_NAME, STALE_LOCK_PREFIX } from '../../../src/core/migration-keys.js'
import { acquireLock, type LockJob } from '../../../src/migrations/state/acquire-lock.js'
import { LockHeldError, LockLostError } from '../../../src/migrations/state/lock-errors.js'
import { createLock, setAside } from '../../../src/migrations/state/lock-requests.js'
import { readLock, unlock } from '../../../src/migrations/state/unlock.js'
import { observeLock } from '../../../src/migrations/state/watch-lock.js'
import { apiForSuite, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { deadLock, locked, lockJob, lockNames, TestClock } from '../../helpers/migration-locks.js'

const chroma = chromaForSuite()
const suiteApi = apiForSuite(chroma)
const TTL = 60_000

afterEach(async () => {
  const api = suiteApi()
  for (const collection of await api.listCollections(home.tenant, home.database))
    await api.deleteCollection(collection)
})

describe('one run holds the lock', () => {
  test('the next one is told who, where, what and since when', async () => {
    const lock = await locked(suiteApi())
    const refused = await rejection(locked(suiteApi(), { owner: 'bob' }))
    expect(refused).toMatchObject({ code: 'MIGRATION_LOCKED', exitCode: 11 })
    expect(refused.message).toMatch(
      /^ada on .+ \(pid \d+, run [0-9a-f]{8}\) migrates this database since .+, at: docs: copying; /,
    )
    expect(refused).toMatchObject({
      hint: expect.stringContaining(`chroma-ops migrate unlock --lock-id ${lock.id} --apply`),
    })
    await lock.check()
    expect(await lock.release()).toEqual({ released: true, problem: null })
  })

  test('nothing is left when it is given back, and it is free', async () => {
    await (await locked(suiteApi())).release()
    expect(await lockNames(suiteApi())).toEqual([])
    const next = await locked(suiteApi())
    expect(next.fenced).toEqual([])
    await next.release()
  })

  test('one that was given back guards nothing any more', async () => {
    const lock = await locked(suiteApi())
    await lock.release()
    await expect(lock.check()).rejects.toThrow(LockLostError)
  })

  test('the next one waits until it is given back, and says once for whom', async () => {
    const lock = await locked(suiteApi())
    const seen: string[] = []
    const next = acquireLock(
      lockJob(suiteApi(), { waitMs: Infinity, onWait: ({ id }) => void seen.push(id) }),
    )
    await until(() => seen.length > 0)
    await lock.release()
    await (await next).release()
    expect(seen).toEqual([lock.id])
  })

  test('waiting ends with the signal', async () => {
    const lock = await locked(suiteApi())
    const stop = new AbortController()
    const job = lockJob(suiteApi(), {
      waitMs: Infinity,
      signal: stop.signal,
      onWait: () => stop.abort(),
    })
    await expect(acquireLock(job)).rejects.toMatchObject({ code: 'ABORTED' })
    await lock.release()
    expect(await lockNames(suiteApi())).toEqual([])
  })

  test('the phase is told with the next sign of life, on one line and not endless', async () => {
    const lock = await locked(suiteApi(), { ttlMs: 2_000 })
    lock.phase(`docs:\nverifying ${'é'.repeat(300)}`)
    const place = { api: suiteApi(), ...home }
    await until(async () => (await readLock(place))?.phase.startsWith('docs: verifying é') ?? false)
    expect(Buffer.byteLength((await readLock(place))?.phase ?? '')).toBeLessThanOrEqual(256)
    await lock.release()
  })
})

describe('silence is measured by the own steady clock alone', () => {
  test.each([
    ['an hour ago', -1],
    ['in an hour', 1],
  ])('a sign of life that says it was given %s is as good as any', async (_, hours) => {
    const clock = new TestClock()
    const lastBeat = new Date(clock.wall().getTime() + hours * 3_600_000).toISOString()
    const dead = await deadLock(suiteApi(), { lastBeat })
    const refused = await rejection(locked(suiteApi(), { clock }))
    expect(refused).toMatchObject({ code: 'MIGRATION_LOCKED', silentMs: 0 })
    const place = { api: suiteApi(), ...home }
    clock.step = TTL
    expect(await observeLock(place, TTL / 2, undefined, clock)).toMatchObject({ stale: null })
    const lock = await locked(suiteApi(), takingOver())
    expect(lock.fenced).toMatchObject([{ id: dead.id, runId: 'dead' }])
    await lock.release()
  })

  test('a holder that takes its time keeps the lock, whatever the wall clocks say', async () => {
    const off = (hours: number) => ({
      steady: () => performance.now(),
      wall: () => new Date(Date.now() + hours * 3_600_000),
    })
    const lock = await locked(suiteApi(), { clock: off(1), ttlMs: 4_000 })
    const thieves = [-1, 0, 2].map((hours) =>
      rejection(locked(suiteApi(), { clock: off(hours), waitMs: 6_000 })),
    )
    for (const refused of await Promise.all(thieves)) expect(refused).toBeInstanceOf(LockHeldError)
    await lock.check()
    expect(await observeLock({ api: suiteApi(), ...home }, 20_000)).toMatchObject({ stale: false })
    await lock.release()
  })

  test('the time to live is the one that the holder has told', async () => {
    await deadLock(suiteApi(), { ttlMs: 600_000 })
    const clock = new TestClock()
    clock.step = 2 * TTL
    const watched = await observeLock({ api: suiteApi(), ...home }, 2 * TTL, undefined, clock)
    expect(watched).toMatchObject({ stale: null })
    const own = new TestClock()
    const impatient = { clock: own, waitMs: TTL, onWait: () => own.pass(2 * TTL) }
    await expect(locked(suiteApi(), impatient)).rejects.toThrow(LockHeldError)
  })

  test('held up for longer than the lease, a holder stops without asking', async () => {
    const clock = new TestClock()
    const lock = await locked(suiteApi(), { clock })
    const before = await readLock({ api: suiteApi(), ...home })
    clock.pass(TTL + 1)
    await expect(lock.check()).rejects.toMatchObject({ code: 'MIGRATION_LOCK_LOST', exitCode: 11 })
    expect(lock.lost.reason).toBeInstanceOf(LockLostError)
    expect(await readLock({ api: suiteApi(), ...home })).toEqual(before)
    await expect(lock.check()).rejects.toThrow(/held up/)
    expect(await lock.release()).toMatchObject({ released: true })
    expect(await lockNames(suiteApi())).toEqual([])
  })

  test('so it does after the machine slept, which the steady clock may not know', async () => {
    const clock = new TestClock()
    const lock = await locked(suiteApi(), { clock })
    clock.sleep(TTL + 1)
    await expect(lock.check()).rejects.toThrow(LockLostError)
    await lock.release()
  })

  test('an old sign of life is renewed before anything may be written', async () => {
    const clock = new TestClock()
    const lock = await locked(suiteApi(), { clock })
    clock.pass(TTL / 2)
    await lock.check()
    expect(await readLock({ api: suiteApi(), ...home })).toMatchObject({ beat: 1n })
    await lock.release()
  })
})

describe('a stale lock', () => {
  test('is set aside and removed before any work; its run does not get it back', async () => {
    const clock = new TestClock()
    const zombie = await locked(suiteApi(), { clock })
    const next = await locked(suiteApi(), takingOver())
    expect(next.fenced).toMatchObject([{ id: zombie.id }])
    expect(await lockNames(suiteApi())).toEqual([LOCK_NAME])
    clock.pass(TTL / 2)
    await expect(zombie.check()).rejects.toMatchObject({ code: 'MIGRATION_LOCK_LOST' })
    await zombie.release()
    await next.check()
    await next.release()
  })

  test('its run does not get it back either when the successor is done and the name free', async () => {
    const clock = new TestClock()
    const zombie = await locked(suiteApi(), { clock })
    await (await locked(suiteApi(), takingOver())).release()
    clock.pass(TTL / 2)
    await expect(zombie.check()).rejects.toThrow(/was removed/)
    expect(await lockNames(suiteApi())).toEqual([])
  })

  test('leftovers of a thief that died are removed, too', async () => {
    const api = suiteApi()
    const place = { api, ...home }
    const dead = await deadLock(api)
    await setAside(place, dead, STALE_LOCK_PREFIX, undefined)
    const lock = await locked(api)
    expect(lock.fenced).toMatchObject([{ id: dead.id }])
    expect(await lockNames(api)).toEqual([LOCK_NAME])
    await lock.release()
  })

  test('two thieves that have both seen it stale: the slower one changes nothing', async () => {
    const api = suiteApi()
    const place = { api, ...home }
    const dead = await deadLock(api)
    await setAside(place, dead, STALE_LOCK_PREFIX, undefined)
    const first = await locked(api)
    expect(await setAside(place, dead, STALE_LOCK_PREFIX, undefined)).toBe('gone')
    expect(await createLock(place, { ...dead, token: 'slower' }, undefined)).toBeNull()
    await first.check()
    expect((await readLock(place))?.id).toBe(first.id)
    await first.release()
  })

  test('control: by deleting the name, the slower one evicts the winner and wins as well', async () => {
    const api = suiteApi()
    const place = { api, ...home }
    const dead = await deadLock(api)
    const steal = async (token: string) => {
      await api.transport.send({ method: 'DELETE', path: byName, idempotent: false })
      return createLock(place, { ...dead, token }, undefined)
    }
    const byName = collectionPath({ ...home, name: LOCK_NAME, id: LOCK_NAME })
    expect(await steal('first')).not.toBeNull()
    expect(await steal('slower')).not.toBeNull()
  })
})

describe('unlock', () => {
  test('takes the lock that was shown, and leaves nothing', async () => {
    const clock = new TestClock()
    const lock = await locked(suiteApi(), { clock })
    const place = { api: suiteApi(), ...home }
    expect(await unlock(place, lock.id)).toMatchObject({ owner: 'ada' })
    expect(await lockNames(suiteApi())).toEqual([])
    clock.pass(TTL / 2)
    await expect(lock.check()).rejects.toThrow(LockLostError)
  })

  test('another one stays', async () => {
    const lock = await locked(suiteApi())
    const place = { api: suiteApi(), ...home }
    await expect(unlock(place, 'some-id')).rejects.toMatchObject({
      code: 'MIGRATION_LOCK_CHANGED',
      exitCode: 11,
    })
    await lock.check()
    await lock.release()
    await expect(unlock(place, lock.id)).rejects.toThrow(/nobody holds the lock now/)
  })
})

describe('what is not understood is not touched', () => {
  test('a collection of the user', async () => {
    await named(suiteApi(), new Map([['mine', true]]))
    await expect(locked(suiteApi(), { waitMs: Infinity })).rejects.toMatchObject({
      code: 'MIGRATION_LOCK_FOREIGN',
      exitCode: 15,
    })
    expect(await lockNames(suiteApi())).toEqual([LOCK_NAME])
  })

  test('the lock of a newer release', async () => {
    await named(suiteApi(), new Map([[LOCK_KEY, 2n]]))
    await expect(locked(suiteApi())).rejects.toMatchObject({ exitCode: 16 })
    expect(await lockNames(suiteApi())).toEqual([LOCK_NAME])
  })
})

/** Sees the lock, and sees it again when it has been silent for its time to live. */
function takingOver(): Partial<LockJob> {
  const clock = new TestClock()
  return { clock, waitMs: Infinity, looksForDeadProcesses: false, onWait: () => clock.pass(TTL + 1) }
}

async function named(api: ChromaApi, metadata: Map<string, boolean | bigint>): Promise<void> {
  await api.createCollection({ ...home, name: LOCK_NAME, metadata, configuration: null, schema: null })
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it did not reject')
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20))
}
