import { afterEach, describe, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import { StoreAccessError, StoreNotFoundError, StoreUnsupportedError } from '../../src/storage/blob-store.js'
import type { S3Options } from '../../src/storage/s3-client.js'
import type { S3Store } from '../../src/storage/s3-store.js'
import { type Fault, FakeS3, type FakeS3Options, times } from '../helpers/fake-s3.js'
import { startHttpServer } from '../helpers/http-server.js'
import { bytes, text } from './conformance-subject.js'
import { type FakeS3StoreOptions, openFakeS3Store } from './s3-under-test.js'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function start(fakeOptions: FakeS3Options = {}, storeOptions: FakeS3StoreOptions = {}) {
  const fake = await FakeS3.start(fakeOptions)
  const store = await openFakeS3Store(fake, storeOptions)
  cleanUps.push(
    () => fake.stop(),
    () => store.close(),
  )
  return { fake, store }
}

/** What a call is rejected with, as a user sees it. */
async function failure(call: Promise<unknown>) {
  const error = await call.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  return error
}

describe('what is sent', () => {
  test('a write is one PUT below the prefix, with the SHA-256 and without waiting for "continue"', async () => {
    const { fake, store } = await start({}, { prefix: 'a/b' })
    await store.put('objects/x', Buffer.alloc(3_000_000, 7))
    expect(fake.requests.map(({ method, key }) => `${method} ${key}`)).toEqual(['PUT a/b/objects/x'])
    const [request] = fake.requests
    expect(Object.keys(request?.checksums ?? {})).toEqual(['sha256'])
    expect(request?.headers).not.toHaveProperty('expect')
    expect(request?.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/)
  })

  test('a service that knows no checksums is asked once, then spared', async () => {
    const { fake, store } = await start({ checksums: false })
    await store.put('a', bytes('1'))
    await store.put('b', bytes('2'))
    expect(fake.requests.map(({ key, checksums }) => [key, Object.keys(checksums)])).toEqual([
      ['a', ['sha256']],
      ['a', []],
      ['b', []],
    ])
  })

  test('connections are kept and bounded', async () => {
    let connections = 0
    const fake = await FakeS3.start()
    const server = await startHttpServer((request, response) => {
      connections = server.connections
      response.writeHead(200, { etag: '"x"', 'content-length': 0 }).end()
      request.resume()
    })
    const store = await openFakeS3Store(fake, { s3: { endpointUrl: server.url, maxSockets: 3 } })
    cleanUps.push(
      () => fake.stop(),
      () => server.close(),
      () => store.close(),
    )
    await Promise.all(Array.from({ length: 30 }, (_, at) => store.put(`k${at}`, bytes('x'))))
    expect(connections).toBeLessThanOrEqual(3)
  })

  test('names of other programs below the prefix are not listed', async () => {
    const { fake, store } = await start({}, { prefix: 'p' })
    await store.put('mine', bytes('1'))
    const object = fake.objects().get('p/mine')
    if (object === undefined) throw new Error('not stored')
    for (const name of ['p/', 'p/a b', 'p/%zz', 'p/ü', 'p//x', 'p/\u0001', 'other'])
      fake.objects().set(name, object)
    const keys: string[] = []
    for await (const { key } of store.list('')) keys.push(key)
    expect(keys).toEqual(['mine'])
  })
})

describe('what fails says what to do', () => {
  const read = (store: S3Store) => store.get('a')
  const write = (store: S3Store) => store.put('a', bytes('x'))
  const list = (store: S3Store) => store.list('')[Symbol.asyncIterator]().next()
  const calls = { read, write, list }

  test.each(Object.entries(calls))('a missing bucket: %s', async (_name, call) => {
    const { store } = await start({}, { bucket: 'nope' })
    const error = await failure(call(store))
    expect(error).toBeInstanceOf(StoreNotFoundError)
    expect(error).toMatchObject({
      exitCode: 10,
      hint: expect.stringContaining('create bucket nope'),
      retryable: false,
    })
  })

  test.each(Object.entries(calls))(
    'the wrong region, with the right one in the hint: %s',
    async (_name, call) => {
      const { store } = await start({ region: 'eu-central-1' })
      expect(await failure(call(store))).toMatchObject({
        code: 'STORE_REGION',
        exitCode: 2,
        hint: 'set AWS_REGION=eu-central-1: bucket bucket is there, not in us-east-1',
      })
    },
  )

  test('the wrong secret', async () => {
    const { store } = await start(
      {},
      { s3: { credentials: { accessKeyId: 'test-key', secretAccessKey: 'no' } } },
    )
    expect(await failure(write(store))).toMatchObject({
      code: 'STORE_ACCESS',
      exitCode: 14,
      hint: expect.stringContaining('secret access key'),
      message: expect.stringContaining('cannot write a in s3://bucket'),
    })
  })

  const status = (status: number, code: string, headers = {}): Fault => ({
    kind: 'status',
    status,
    code,
    headers,
  })
  test.each([
    ['no permission to write', status(403, 'AccessDenied'), 'STORE_ACCESS', 14, 's3:PutObject on bucket/*'],
    ['an expired token', status(400, 'ExpiredToken'), 'STORE_ACCESS', 14, 'renew the credentials'],
    ['a full store', status(507, 'XMinioStorageFull'), 'STORE_FULL', 1, 'free space'],
    ['a method that is not there', status(501, 'NotImplemented'), 'STORE_UNSUPPORTED', 16, ''],
    ['something unknown', status(418, 'Teapot'), 'STORE_FAILED', 1, ''],
  ])('%s', async (_name, fault, code, exitCode, hint) => {
    const { fake, store } = await start()
    fake.fault = () => fault
    const error = await failure(write(store))
    expect(error).toMatchObject({ code, exitCode, retryable: false })
    expect(String(Reflect.get(Object(error), 'hint') ?? '')).toContain(hint)
  })

  test.each([
    ['SlowDown', status(503, 'SlowDown'), true],
    ['too many requests', status(429, 'TooManyRequests'), true],
    ['a conflict of conditions', status(409, 'ConditionalRequestConflict'), true],
    ['an internal error', status(500, 'InternalError'), false],
    ['a gateway', status(502, 'BadGateway'), false],
    ['a request that came too slowly', status(400, 'RequestTimeout'), false],
    ['bytes changed on their way', status(400, 'BadDigest'), false],
    ['a cut connection', { kind: 'reset' } as const, false],
    ['a lost answer', { kind: 'lose-answer' } as const, false],
  ])('%s may be tried again', async (_name, fault, unprocessed) => {
    const { fake, store } = await start()
    fake.fault = () => fault
    expect(await failure(write(store))).toMatchObject({ exitCode: 12, retryable: true, unprocessed })
  })

  test('Retry-After is handed on', async () => {
    const { fake, store } = await start()
    fake.fault = () => status(503, 'SlowDown', { 'retry-after': '7' })
    expect(await failure(write(store))).toMatchObject({ retryAfterMs: 7000 })
  })

  test('nobody listens', async () => {
    const { fake, store } = await start()
    await fake.stop()
    expect(await failure(write(store))).toMatchObject({
      code: 'STORE_UNREACHABLE',
      exitCode: 12,
      unprocessed: true,
      message: expect.stringContaining('ECONNREFUSED'),
      hint: expect.stringContaining('address and port of the endpoint'),
    })
  })

  test.each([
    ['an answer that is cut', 'cut'],
    ['an answer that stops', 'stall'],
  ] as const)('%s is no answer', async (_name, kind) => {
    const { fake, store } = await start({}, { s3: { idleTimeoutMs: 1000 } })
    await store.put('a', Buffer.alloc(100_000, 1))
    fake.fault = times(1, { kind })
    expect(await failure(read(store))).toMatchObject({ exitCode: 12, retryable: true })
    expect((await store.get('a')).bytes.length).toBe(100_000)
  })

  test('a page of a web server, for every call', async () => {
    const fake = await FakeS3.start()
    const server = await startHttpServer((request, response) => {
      request.resume()
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html><head><title>Hello</title></html>')
    })
    const store = await openFakeS3Store(fake, { s3: { endpointUrl: server.url } })
    cleanUps.push(
      () => fake.stop(),
      () => server.close(),
      () => store.close(),
    )
    for (const call of Object.values(calls)) {
      const error = await failure(call(store))
      expect(error).toMatchObject({ hint: expect.stringContaining('S3 service') })
      expect(String(error)).not.toContain('hidden field')
    }
  })

  test('a clock that is off: the SDK learns the time, and the next try succeeds', async () => {
    const { store } = await start({ clockAheadMs: 3_600_000 })
    expect(await failure(write(store))).toMatchObject({ retryable: true, unprocessed: true })
    await store.put('a', bytes('x'))
    expect(text((await store.get('a')).bytes)).toBe('x')
    expect((await store.storeTime()).getTime() - Date.now()).toBeGreaterThan(3_500_000)
  })

  test('a signal stops a call under way', async () => {
    const { fake, store } = await start()
    fake.fault = () => ({ kind: 'slow', ms: 10_000 })
    const stop = new AbortController()
    const call = store.put('a', bytes('x'), stop.signal)
    setTimeout(() => stop.abort('enough'), 50)
    expect(await failure(call)).toBeInstanceOf(AbortedError)
  })

  test('a store that lists in no order is refused', async () => {
    const { store } = await start()
    await store.put('a', bytes('x'))
    const server = await startHttpServer((request, response) => {
      request.resume()
      const entry = (key: string) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`
      response.end(
        `<ListBucketResult><IsTruncated>false</IsTruncated>${entry('b')}${entry('a')}</ListBucketResult>`,
      )
    })
    const fake = await FakeS3.start()
    const unordered = await openFakeS3Store(fake, { s3: { endpointUrl: server.url } satisfies S3Options })
    cleanUps.push(
      () => fake.stop(),
      () => server.close(),
      () => unordered.close(),
    )
    const all = async () => {
      for await (const { key } of unordered.list('')) expect(key).toBe('b')
    }
    expect(await failure(all())).toBeInstanceOf(StoreUnsupportedError)
  })

  test('a wrong secret is an access error, also where an answer has no body', async () => {
    const { store } = await start(
      {},
      { s3: { credentials: { accessKeyId: 'test-key', secretAccessKey: 'no' } } },
    )
    expect(await failure(store.stat('a'))).toBeInstanceOf(StoreAccessError)
  })
})
