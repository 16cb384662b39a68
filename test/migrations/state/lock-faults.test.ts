import { afterEach, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../../src/chroma/api.js'
import { LOCK_NAME, STALE_LOCK_PREFIX } from '../../../src/core/migration-keys.js'
import { identifyProcess } from '../../../src/core/process-identity.js'
import { acquireLock } from '../../../src/migrations/state/acquire-lock.js'
import { LockHeldError, LockLostError } from '../../../src/migrations/state/lock-errors.js'
import { sendBeat, setAside } from '../../../src/migrations/state/lock-requests.js'
import { readLock } from '../../../src/migrations/state/unlock.js'
import { isDead, LockWatch } from '../../../src/migrations/state/watch-lock.js'
import { apiForSuite, apiThroughProxy, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import type { Fault, ProxiedRequest } from '../../helpers/fault-proxy.js'
import { deadLock, locked, lockJob, lockNames, TestClock } from '../../helpers/migration-locks.js'

const chroma = chromaForSuite()
const suiteApi = apiForSuite(chroma)
const TTL = 60_000
const cleanup: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const clean of cleanup.splice(0)) await clean()
  const api = suiteApi()
  for (const collection of await api.listCollections(home.tenant, home.database))
    await api.deleteCollection(collection)
})

type Decide = (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>

async function spoiled(decide: Decide): Promise<ChromaApi> {
  const proxied = await apiThroughProxy(chroma().url, decide)
  cleanup.push(() => proxied.close())
  return proxied.api
}

const lost = { kind: 'reset', when: 'after' } as const
const isBeat = ({ method, body }: ProxiedRequest) =>
  method === 'PUT' && body.toString().includes('"new_metadata"')
const isRename = ({ method, body }: ProxiedRequest) => method === 'PUT' && body.toString().includes('.stale.')
const isRelease = ({ method, body }: ProxiedRequest) => method === 'PUT' && body.toString().includes('.done.')
const isCreate = ({ method, path }: ProxiedRequest) => method === 'POST' && path.endsWith('/collections')
const isDelete = ({ method }: ProxiedRequest) => method === 'DELETE'

/** Hits the first that is asked for. */
function once(isIt: (request: ProxiedRequest) => boolean, fault: Fault): Decide {
  let hit = false
  return (request) => {
    if (hit || !isIt(request)) return undefined
    hit = true
    return fault
  }
}

describe('an answer that gets lost', () => {
  test('to the creation: the lock is held, once', async () => {
    const api = await spoiled(once(isCreate, lost))
    const lock = await locked(api)
    expect(await lockNames(api)).toEqual([LOCK_NAME])
    await lock.check()
    await lock.release()
  })

  test('to a creation that another run has won: its lock is not taken for the own', async () => {
    const holder = await locked(suiteApi())
    const api = await spoiled(once(isCreate, lost))
    await expect(locked(api)).rejects.toThrow(LockHeldError)
    await holder.check()
    await holder.release()
  })

  test('to a sign of life: neither a loss nor, because of what was read back, a longer lease', async () => {
    const clock = new TestClock()
    let beats = 0
    const api = await spoiled((request) => (isBeat(request) && beats++ < 2 ? lost : undefined))
    const lock = await locked(api, { clock })
    clock.pass(TTL / 2)
    await lock.check()
    // Every one had its own number, so that watchers count from the last one at the earliest.
    expect(await readLock({ api: suiteApi(), ...home })).toMatchObject({ beat: 3n })
    await lock.release()
  })

  test('to setting a stale lock aside: it is taken over all the same', async () => {
    const dead = await deadLock(suiteApi())
    const api = await spoiled(once(isRename, lost))
    const clock = new TestClock()
    const lock = await locked(api, { clock, waitMs: Infinity, onWait: () => clock.pass(TTL + 1) })
    expect(lock.fenced).toMatchObject([{ id: dead.id }])
    expect(await lockNames(api)).toEqual([LOCK_NAME])
    await lock.release()
  })

  test.each([
    ['the renaming', isRelease],
    ['the deletion', isDelete],
  ])('to %s when it is given back: nothing is left', async (_, isIt) => {
    const lock = await locked(await spoiled(once(isIt, lost)))
    expect(await lock.release()).toEqual({ released: true, problem: null })
    expect(await lockNames(suiteApi())).toEqual([])
  })
})

describe('a sign of life', () => {
  test('whose answer comes after the lease is none', async () => {
    const clock = new TestClock()
    const late: Decide = (request) => {
      if (isBeat(request)) clock.pass(TTL)
      return undefined
    }
    const lock = await locked(await spoiled(late), { clock })
    clock.pass(TTL / 2)
    await expect(lock.check()).rejects.toThrow(/came too late: 90 s/)
    await lock.release()
  })

  test('is repeated while the server is not there, but not beyond the lease', async () => {
    const clock = new TestClock()
    let asked = 0
    const away: Decide = (request) => {
      if (!isBeat(request)) return undefined
      if (asked++ > 0) clock.pass(TTL / 10)
      return { kind: 'status', status: 503 }
    }
    const lock = await locked(await spoiled(away), { clock })
    clock.pass(TTL / 2)
    await expect(lock.check()).rejects.toThrow(/no sign of life has reached the server for 5\d s/)
    expect(asked).toBe(5)
    expect(lock.lost.aborted).toBe(true)
    await lock.release()
  })

  test.each([
    ['as the server says it', undefined],
    [
      'as any other error',
      { kind: 'status', status: 500, body: '{"error":"InternalError","message":"it did not work"}' } as const,
    ],
  ])('that finds the name taken ends the run (%s)', async (_, fault) => {
    const place = { api: suiteApi(), ...home }
    const clock = new TestClock()
    const api = await spoiled((request) => (isBeat(request) ? fault : undefined))
    const zombie = await locked(api, { clock })
    await setAside(place, zombie.info, STALE_LOCK_PREFIX, undefined)
    const dead = await deadLock(suiteApi())
    clock.pass(TTL / 2)
    await expect(zombie.check()).rejects.toThrow(
      /the lock of migrations was lost: eve on elsewhere .* has taken it over/,
    )
    expect(await readLock(place)).toMatchObject({ id: dead.id })
  })

  test('that the server refuses without a reason is repeated while the name is the own', async () => {
    const clock = new TestClock()
    let asked = 0
    const api = await spoiled((request) =>
      isBeat(request) && asked++ < 2
        ? { kind: 'status', status: 500, body: '{"error":"InternalError","message":"it did not work"}' }
        : undefined,
    )
    const lock = await locked(api, { clock })
    clock.pass(TTL / 2)
    await lock.check()
    expect(asked).toBe(3)
    await lock.release()
  })

  test('that was delayed and takes the name back while it is given back: nothing is left', async () => {
    const late: { beat?: () => Promise<void> } = {}
    const api = await spoiled(async (request) => {
      const { beat } = late
      delete late.beat
      if (isDelete(request)) await beat?.()
      else if (beat !== undefined) late.beat = beat
      return undefined
    })
    const lock = await locked(api)
    const limits = { timeoutMs: TTL, signal: AbortSignal.timeout(TTL) }
    late.beat = () => sendBeat({ api: suiteApi(), ...home }, lock.info, lock.info, limits)
    expect(await lock.release()).toEqual({ released: true, problem: null })
    expect(late.beat).toBeUndefined()
    expect(await lockNames(suiteApi())).toEqual([])
  })
})

describe('a watcher', () => {
  test('does not count the time that an answer was on its way: the holder may have spoken meanwhile', async () => {
    const lock = await deadLock(suiteApi())
    const clock = new TestClock()
    let isSlow = false
    const api = await spoiled(() => {
      if (isSlow) clock.pass(TTL + 1)
      return undefined
    })
    const watch = new LockWatch(clock)
    isSlow = true
    await watch.look({ api, ...home }, undefined)
    await watch.look({ api, ...home }, undefined)
    expect(watch.silentMs).toBe(0)
    isSlow = false
    expect(await watch.look({ api, ...home }, undefined)).toMatchObject({ id: lock.id })
    expect(watch.silentMs).toBe(TTL + 1)
  })

  test('takes a process for dead only where it could see it', async () => {
    const own = await identifyProcess(process.pid)
    const gone = { ...own, startTime: '1' }
    expect(await isDead(own)).toBe(false)
    expect(await isDead(gone)).toBe(own.boot !== null)
    expect(await isDead({ ...gone, host: 'elsewhere' })).toBe(false)
    // Another machine of the same name, as containers have it.
    expect(await isDead({ ...gone, boot: 'another' })).toBe(false)
    expect(await isDead({ ...gone, pidNamespace: 'another' })).toBe(false)
    expect(await isDead({ ...gone, boot: null, pidNamespace: null })).toBe(false)
  })
})

describe('a run that cannot finish taking the lock', () => {
  test('gives it back when it cannot remove what is left of others', async () => {
    const dead = await deadLock(suiteApi())
    await setAside({ api: suiteApi(), ...home }, dead, STALE_LOCK_PREFIX, undefined)
    let refused = 0
    const api = await spoiled((request) =>
      isDelete(request) && refused++ === 0 ? { kind: 'status', status: 403 } : undefined,
    )
    await expect(locked(api)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    expect(await lockNames(suiteApi())).toEqual([`${STALE_LOCK_PREFIX}${dead.id}`])
  })
})

describe('the server is killed and started again', () => {
  test('the holder keeps the lock when it is back in time', async () => {
    const lock = await locked(suiteApi(), { ttlMs: 120_000 })
    await chroma().kill()
    await chroma().restart()
    await lock.check()
    await expect(locked(suiteApi())).rejects.toThrow(LockHeldError)
    await lock.release()
    expect(await lockNames(suiteApi())).toEqual([])
  })

  test('the holder stops by itself when it stays away', async () => {
    const lock = await locked(suiteApi(), { ttlMs: 2_000 })
    await chroma().kill()
    await new Promise((resolve) => lock.lost.addEventListener('abort', resolve, { once: true }))
    await expect(lock.check()).rejects.toThrow(LockLostError)
    await chroma().restart()
    const next = await acquireLock(lockJob(suiteApi(), { waitMs: Infinity }))
    await expect(lock.check()).rejects.toThrow(LockLostError)
    await next.release()
  })
})
