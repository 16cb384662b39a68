import { createHash } from 'node:crypto'

import { afterEach, describe, expect, test } from '@jest/globals'

import { OpsError } from '../../src/core/errors.js'
import { RetryingStore } from '../../src/storage/retrying-store.js'
import { type Fault, FakeS3, times } from '../helpers/fake-s3.js'
import type { S3Request } from '../helpers/fake-s3-request.js'
import { bytes, text } from './conformance-subject.js'
import { openFakeS3Store } from './s3-under-test.js'

const quick = { baseDelayMs: 1, maxDelayMs: 5 }
const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function start(pageSize = 1000) {
  const fake = await FakeS3.start({ pageSize })
  const bare = await openFakeS3Store(fake, { s3: { idleTimeoutMs: 200 } })
  const store = new RetryingStore(bare, { firstContact: { ...quick, maxRetries: 20 }, batch: quick })
  cleanUps.push(
    () => fake.stop(),
    () => store.close(),
  )
  return { fake, store }
}

const FAULTS: readonly Fault[] = [
  { kind: 'status', status: 429, code: 'TooManyRequests' },
  { kind: 'status', status: 500, code: 'InternalError' },
  { kind: 'status', status: 503, code: 'SlowDown' },
  { kind: 'slow', ms: 30 },
  { kind: 'reset' },
  { kind: 'lose-answer' },
  { kind: 'cut' },
  { kind: 'stall' },
]

/** One request in five breaks, in one of the eight ways; the same ones for the same seed. */
function oneInFive(seed: string): (request: S3Request) => Fault | null {
  let requests = 0
  return () => {
    const [choice = 0, kind = 0] = createHash('sha256').update(`${seed} ${requests++}`).digest()
    return choice < 51 ? (FAULTS[kind % FAULTS.length] ?? null) : null
  }
}

describe('a store that breaks one request in five', () => {
  test.each(['a', 'b', 'c'])('everything completes, nothing is lost or doubled (seed %s)', async (seed) => {
    const { fake, store } = await start(7)
    fake.fault = oneInFive(seed)
    const keys = Array.from({ length: 60 }, (_, at) => `objects/${String(at).padStart(3, '0')}`)
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
    expect([...fake.objects().keys()]).toEqual(['lock'])
  })

  test('the probe still finds every promise kept', async () => {
    const { fake, store } = await start()
    fake.fault = oneInFive('probe')
    expect(await store.capabilities()).toEqual({ putNew: 'atomic', putIfMatch: true })
  })
})

describe('a store that stays away', () => {
  test.each(FAULTS.filter(({ kind }) => kind !== 'slow').map((fault) => [fault.kind, fault] as const))(
    '%s, for ever: a clean failure',
    async (_kind, fault) => {
      const fake = await FakeS3.start()
      const bare = await openFakeS3Store(fake, { s3: { idleTimeoutMs: 500 } })
      const store = new RetryingStore(bare, { firstContact: quick })
      cleanUps.push(
        () => fake.stop(),
        () => store.close(),
      )
      await bare.put('a', Buffer.alloc(1000, 1))
      fake.fault = () => fault
      const error = await store.get('a').catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(OpsError)
      expect(error).toMatchObject({ exitCode: 12, message: expect.stringContaining('read a in s3://bucket') })
    },
  )
})

describe('a PUT that succeeded and whose answer was lost', () => {
  test('putNew: the 412 that follows is success', async () => {
    const { fake, store } = await start()
    fake.fault = times(1, { kind: 'lose-answer' })
    const version = await store.putNew('repo.json', bytes('mine'))
    expect(fake.requests.map(({ method }) => method)).toEqual(['PUT', 'PUT', 'GET'])
    await store.putIfMatch('repo.json', bytes('next'), version)
  })

  test('putNew: the 412 that follows is a loss if another run was first', async () => {
    const { fake, store } = await start()
    const other = await openFakeS3Store(fake)
    cleanUps.push(() => other.close())
    await other.put('repo.json', bytes('theirs'))
    fake.fault = times(1, { kind: 'reset' })
    await expect(store.putNew('repo.json', bytes('mine'))).rejects.toMatchObject({ code: 'BLOB_EXISTS' })
  })

  test('putIfMatch: the 412 that follows is success', async () => {
    const { fake, store } = await start()
    const version = await store.putNew('lock', bytes('1'))
    fake.fault = times(1, { kind: 'lose-answer' })
    const next = await store.putIfMatch('lock', bytes('2'), version)
    await store.putIfMatch('lock', bytes('3'), next)
    expect(text((await store.get('lock')).bytes)).toBe('3')
  })
})
