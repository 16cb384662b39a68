import { createHash } from 'node:crypto'

import { afterEach, describe, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import { RetryingStore } from '../../src/storage/retrying-store.js'
import { withFlippedBit } from '../helpers/faulty-store.js'
import type { Fault } from '../helpers/fake-s3.js'
import { firstTimes } from '../helpers/fake-service.js'
import { bytes, text } from './conformance-subject.js'
import { type CloudOptions, type CloudUnderTest, startAzure, startGcs } from './cloud-under-test.js'

const quick = { baseDelayMs: 1, maxDelayMs: 5 }
const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const clouds = [
  ['azure', (options: CloudOptions) => startAzure(options)],
  ['gcs', (options: CloudOptions) => startGcs(options)],
] as const

type Start = (options: CloudOptions) => Promise<CloudUnderTest>

async function open(start: Start, options: CloudOptions = {}) {
  const cloud = await start(options)
  cleanUps.push(() => cloud.stop())
  const store = new RetryingStore(cloud.store, { firstContact: { ...quick, maxRetries: 20 }, batch: quick })
  return { cloud, bare: cloud.store, store }
}

async function failure(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
}

const status = (code: number, name: string, headers = {}): Fault => ({
  kind: 'status',
  status: code,
  code: name,
  headers,
})

const FAULTS: readonly Fault[] = [
  status(429, 'rateLimitExceeded'),
  status(500, 'InternalError'),
  status(503, 'ServerBusy'),
  { kind: 'slow', ms: 30 },
  { kind: 'reset' },
  { kind: 'lose-answer' },
  { kind: 'cut' },
  { kind: 'stall' },
]

/** One request in five breaks, in one of the eight ways; the same ones for the same seed. */
function oneInFive(seed: string): () => Fault | null {
  let requests = 0
  return () => {
    const [choice = 0, kind = 0] = createHash('sha256').update(`${seed} ${requests++}`).digest()
    return choice < 51 ? (FAULTS[kind % FAULTS.length] ?? null) : null
  }
}

describe.each(clouds)('%s', (name, start) => {
  test('one request in five breaks: everything completes, nothing is lost or doubled', async () => {
    const { cloud, store } = await open(start, { pageSize: 7, idleTimeoutMs: 200 })
    cloud.inflict(oneInFive(name))
    const keys = Array.from({ length: 40 }, (_, at) => `objects/${String(at).padStart(3, '0')}`)
    const content = (key: string) => Buffer.concat([Buffer.from(key), Buffer.alloc(20_000, key.length)])
    const queue = [...keys]
    const worker = async () => {
      for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
        await store.putNew(key, content(key))
        expect(Buffer.from((await store.get(key)).bytes).equals(content(key))).toBe(true)
        expect((await store.stat(key)).size).toBe(content(key).length)
      }
    }
    await Promise.all([worker(), worker(), worker(), worker()])
    const listed: string[] = []
    for await (const { key } of store.list('objects/')) listed.push(key)
    expect(listed).toEqual(keys)
    let version = await store.putNew('lock', bytes('0'))
    for (let round = 1; round <= 20; round++)
      version = await store.putIfMatch('lock', bytes(String(round)), version)
    expect(text((await store.get('lock')).bytes)).toBe('20')
    for (const key of keys) await store.delete(key)
    expect([...cloud.stored.keys()]).toEqual(['lock'])
  })

  test('a write that succeeded and whose answer was lost: the refusal that follows is success', async () => {
    const { cloud, store } = await open(start)
    cloud.inflict(firstTimes(1, { kind: 'lose-answer' }))
    const version = await store.putNew('repo.json', bytes('mine'))
    cloud.inflict(firstTimes(1, { kind: 'lose-answer' }))
    const next = await store.putIfMatch('repo.json', bytes('next'), version)
    await store.putIfMatch('repo.json', bytes('last'), next)
    expect(text((await store.get('repo.json')).bytes)).toBe('last')
  })

  test('… but not when another run was first', async () => {
    const { cloud, bare, store } = await open(start)
    await bare.put('repo.json', bytes('theirs'))
    cloud.inflict(firstTimes(1, { kind: 'reset' }))
    await expect(store.putNew('repo.json', bytes('mine'))).rejects.toMatchObject({ code: 'BLOB_EXISTS' })
  })

  test('one call is one request, also when it fails: repetitions are ours', async () => {
    const { cloud, bare } = await open(start)
    cloud.inflict(() => status(503, 'ServerBusy'))
    for (const call of [bare.put('a', bytes('x')), bare.get('a'), bare.stat('a'), bare.delete('a')])
      await failure(call)
    await failure(bare.list('')[Symbol.asyncIterator]().next())
    expect(cloud.methods()).toHaveLength(5)
  })

  test('a large blob is one request, and a broken upload leaves nothing', async () => {
    const { cloud, bare } = await open(start)
    await bare.put('large', Buffer.alloc(8 * 1024 * 1024, 1))
    cloud.inflict(() => ({ kind: 'reset' }))
    await failure(bare.put('broken', Buffer.alloc(8 * 1024 * 1024, 2)))
    expect(cloud.methods()).toHaveLength(2)
    expect([...cloud.stored.keys()]).toEqual(['large'])
  })

  test('a bit that flips on the way up is refused, may be tried again, and then succeeds', async () => {
    const { cloud, bare, store } = await open(start)
    const content = Buffer.alloc(100_000, 7)
    const flip = (raw: Buffer) =>
      raw.length > 50_000 ? withFlippedBit(raw, Math.floor(raw.length / 2) * 8) : raw
    cloud.tamper(flip)
    expect(await failure(bare.put('a', content))).toMatchObject({ exitCode: 12, retryable: true })
    expect(cloud.stored.size).toBe(0)
    let left = 2
    cloud.tamper((raw) => (left-- > 0 ? flip(raw) : raw))
    await store.put('a', content)
    expect(Buffer.from((await store.get('a')).bytes).equals(content)).toBe(true)
  })

  test.each([
    ['too many requests', status(429, 'TooManyRequests'), true],
    ['busy', status(503, 'ServerBusy'), true],
    ['an internal error', status(500, 'InternalError'), false],
    ['a gateway', status(502, 'BadGateway'), false],
    ['a cut connection', { kind: 'reset' } as const, false],
    ['a lost answer', { kind: 'lose-answer' } as const, false],
  ])('%s may be tried again', async (_name, fault, unprocessed) => {
    const { cloud, bare } = await open(start)
    cloud.inflict(() => fault)
    expect(await failure(bare.put('a', bytes('x')))).toMatchObject({
      exitCode: 12,
      retryable: true,
      unprocessed,
    })
  })

  test.each([
    ['an answer that is cut', 'cut'],
    ['an answer that stops', 'stall'],
  ] as const)('%s is no answer', async (_name, kind) => {
    const { cloud, bare } = await open(start, { idleTimeoutMs: 1000 })
    await bare.put('a', Buffer.alloc(100_000, 1))
    cloud.inflict(firstTimes(1, { kind }))
    expect(await failure(bare.get('a'))).toMatchObject({ exitCode: 12, retryable: true })
    expect((await bare.get('a')).bytes.length).toBe(100_000)
  })

  test('Retry-After is handed on', async () => {
    const { cloud, bare } = await open(start)
    cloud.inflict(() => status(503, 'ServerBusy', { 'retry-after': '7' }))
    expect(await failure(bare.put('a', bytes('x')))).toMatchObject({ retryAfterMs: 7000 })
  })

  test('no permission: 14, with the right that is missing', async () => {
    const { cloud, bare } = await open(start)
    cloud.inflict(() => status(403, name === 'azure' ? 'AuthorizationPermissionMismatch' : 'forbidden'))
    const list = () => bare.list('')[Symbol.asyncIterator]().next()
    for (const [call, right] of [
      [() => bare.put('a', bytes('x')), /write|create/],
      [() => bare.get('a'), /read|get/],
      [list, /read|list/],
      [() => bare.delete('a'), /delete/],
    ] as const)
      expect(await failure(call())).toMatchObject({
        code: 'STORE_ACCESS',
        exitCode: 14,
        retryable: false,
        hint: expect.stringMatching(right),
      })
  })

  test('a container or bucket that is not there: 10', async () => {
    const { bare } = await open(start, { place: 'nope' })
    const list = () => bare.list('')[Symbol.asyncIterator]().next()
    for (const call of [
      () => bare.put('a', bytes('x')),
      () => bare.get('a'),
      () => bare.delete('a'),
      () => bare.storeTime(),
      list,
    ])
      expect(await failure(call())).toMatchObject({
        code: 'STORE_NOT_FOUND',
        exitCode: 10,
        hint: expect.stringContaining('nope'),
      })
  })

  test('a signal stops a call under way', async () => {
    const { cloud, bare } = await open(start)
    cloud.inflict(() => ({ kind: 'slow', ms: 10_000 }))
    for (const call of [
      (signal: AbortSignal) => bare.put('a', bytes('x'), signal),
      (signal: AbortSignal) => bare.get('a', { signal }),
      (signal: AbortSignal) => bare.list('', signal)[Symbol.asyncIterator]().next(),
    ])
      expect(await failure(call(AbortSignal.timeout(50)))).toBeInstanceOf(AbortedError)
  })

  test('nobody listens', async () => {
    const { cloud, bare } = await open(start)
    await cloud.stop()
    cleanUps.pop()
    expect(await failure(bare.put('a', bytes('x')))).toMatchObject({
      exitCode: 12,
      unprocessed: true,
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})
