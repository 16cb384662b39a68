import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { ChromaGarbledAnswerError, ChromaUnavailableError } from '../../src/chroma/errors.js'
import type { ChromaTransport } from '../../src/chroma/transport.js'
import { isJsonArray, isJsonObject, parseJson, stringifyJson } from '../../src/core/json.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import {
  randomFaults,
  seededRandom,
  startFaultProxy,
  type Fault,
  type FaultProxy,
  type ProxiedRequest,
} from '../helpers/fault-proxy.js'

const chroma = chromaForSuite()
const DATABASE = '/api/v2/tenants/default_tenant/databases/default_database'
const RECORDS = 300

let proxy: FaultProxy
let transport: ChromaTransport
let decide: (request: ProxiedRequest) => Fault | undefined
let collectionPath: string

beforeEach(async () => {
  decide = () => undefined
  proxy = await startFaultProxy({ target: chroma().url, decide: (request) => decide(request) })
  transport = await connectTransport({
    url: proxy.url,
    pool: { min: 1 },
    retry: { baseDelayMs: 2, maxDelayMs: 2_000 },
  })
  collectionPath = await fill()
})

afterEach(async () => {
  await transport.close()
  await proxy.close()
})

/** A collection with records, made once and found again. */
async function fill(): Promise<string> {
  const definition = await transport.exchange(
    {
      method: 'POST',
      path: `${DATABASE}/collections`,
      body: JSON.stringify({ name: 'faults', get_or_create: true }),
      idempotent: true,
    },
    (body) => parseJson(body.toString()),
  )
  const id = isJsonObject(definition) ? definition.get('id') : undefined
  if (typeof id !== 'string') throw new Error('no id')
  const path = `${DATABASE}/collections/${id}`
  const ids = Array.from({ length: RECORDS }, (_, index) => `record-${index}`)
  await transport.send({
    method: 'POST',
    path: `${path}/add`,
    body: JSON.stringify({ ids, embeddings: ids.map((_, index) => [index, 1, 2]), documents: ids }),
    idempotent: true,
  })
  return path
}

/** The ids of `count` records from `offset` on, checked to be the right ones. */
async function read(offset: number, count: number, idempotent = true): Promise<number> {
  const wanted = Array.from({ length: count }, (_, index) => `record-${offset + index}`)
  return transport.exchange(
    {
      method: 'POST',
      path: `${collectionPath}/get`,
      body: JSON.stringify({ ids: wanted, include: ['embeddings', 'documents'] }),
      idempotent,
    },
    (body) => {
      const answer = parseJson(body.toString())
      const ids = isJsonObject(answer) ? (answer.get('ids') ?? null) : null
      if (!isJsonArray(ids) || stringifyJson(ids) !== stringifyJson(wanted)) {
        throw new ChromaGarbledAnswerError('not the records that were asked for')
      }
      return ids.length
    },
  )
}

/** Hits the next reading request with `fault`, once. */
function once(fault: Fault): void {
  let hit = false
  decide = ({ path }) => {
    if (hit || !path.endsWith('/get')) return undefined
    hit = true
    return fault
  }
}

const harmless: Fault[] = [
  { kind: 'status', status: 429 },
  { kind: 'status', status: 429, retryAfter: '0.02' },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503, body: 'no upstream' },
  { kind: 'status', status: 504 },
  {
    kind: 'status',
    status: 500,
    body: '{"error":"InternalError","message":"error returned from database: (code: 5) database is locked"}',
  },
  { kind: 'reset', when: 'before' },
  { kind: 'reset', when: 'after' },
  { kind: 'cut', bytes: 0, framing: 'length' },
  { kind: 'cut', bytes: 1000, framing: 'length' },
  { kind: 'cut', bytes: 1000, framing: 'chunked' },
  { kind: 'cut', bytes: 1000, framing: 'close' },
  { kind: 'garble', part: 'head' },
  { kind: 'garble', part: 'body' },
  { kind: 'page' },
]

describe('one fault before a real server', () => {
  test.each(harmless.map((fault) => [JSON.stringify(fault), fault] as const))(
    '%s is survived by asking again',
    async (_name, fault) => {
      once(fault)
      expect(await read(0, 100)).toBe(100)
      expect(proxy.faults).toBe(1)
      expect(transport.stats.retry.retries).toBe(1)
    },
  )

  test('a delay is only a delay', async () => {
    once({ kind: 'delay', ms: 50 })
    expect(await read(0, 100)).toBe(100)
    expect(transport.stats.retry.retries).toBe(0)
  })

  test('no answer at all ends with the time limit', async () => {
    once({ kind: 'stall' })
    const attempt = transport.send({
      method: 'POST',
      path: `${collectionPath}/get`,
      body: '{"ids":["record-1"]}',
      idempotent: true,
      timeoutMs: 100,
    })
    expect(String(await attempt)).toContain('record-1')
    expect(transport.stats.retry.retries).toBe(1)
  })

  test.each([
    ['at once', undefined],
    ['while the connection rests', 20],
  ])(
    'an answer that is sent twice, %s, is never taken for that of the next request',
    async (_name, afterMs) => {
      once({ kind: 'duplicate', ...(afterMs === undefined ? {} : { afterMs }) })
      expect(await read(0, 50)).toBe(50)
      if (afterMs !== undefined) await new Promise((resolve) => setTimeout(resolve, 3 * afterMs))
      expect(await read(100, 60)).toBe(60)
      expect(transport.stats.pool.created).toBe(2)
    },
  )

  test('a longer Retry-After is waited for', async () => {
    once({ kind: 'status', status: 429, retryAfter: '0.3' })
    const started = performance.now()
    await read(0, 10)
    expect(performance.now() - started).toBeGreaterThanOrEqual(295)
  })
})

describe('requests that must not be repeated', () => {
  test.each<[string, Fault]>([
    ['an answer that is lost', { kind: 'reset', when: 'after' }],
    ['a request that is lost, which looks the same', { kind: 'reset', when: 'before' }],
    ['an answer that is cut off', { kind: 'cut', bytes: 10, framing: 'length' }],
    ['a gateway that gives up', { kind: 'status', status: 504 }],
  ])('%s is told', async (_name, fault) => {
    once(fault)
    const sent = proxy.requests.length
    await expect(read(0, 10, false)).rejects.toMatchObject({ exitCode: 12 })
    expect(proxy.requests.length - sent).toBe(1)
  })

  test('but 429 was not processed: sent again', async () => {
    once({ kind: 'status', status: 429, retryAfter: '0' })
    expect(await read(0, 10, false)).toBe(10)
  })
})

describe('many faults', () => {
  test('every fifth request is spoiled, six at a time: every record comes, and comes right', async () => {
    const random = randomFaults({
      seed: 20261120,
      probability: 0.2,
      faults: [...harmless, { kind: 'duplicate' }, { kind: 'delay', ms: 5 }],
      only: ({ path }) => path.endsWith('/get'),
    })
    decide = random
    transport.useBatchRetries()
    let total = 0
    const order = Array.from({ length: 90 }, (_, index) => (index * 10) % RECORDS)
    const workers = Array.from({ length: 6 }, async () => {
      for (let offset = order.pop(); offset !== undefined; offset = order.pop()) {
        const records = await read(offset, 10)
        total += records
      }
    })
    await Promise.all(workers)
    expect(total).toBe(900)
    expect(proxy.faults).toBeGreaterThan(10)
  })

  test('the same seed hits the same requests', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed))
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  test('a server that stays away ends with the last cause', async () => {
    decide = () => ({ kind: 'reset', when: 'before' })
    const error: unknown = await read(0, 10).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'RETRY_EXHAUSTED', exitCode: 12, attempts: 4 })
    expect(error).toHaveProperty('cause', expect.any(ChromaUnavailableError))
  })
})

test('a server that is killed and started again is waited for', async () => {
  transport.useBatchRetries()
  await chroma().kill()
  const reading = read(0, 100)
  await chroma().restart()
  expect(await reading).toBe(100)
  expect(transport.stats.retry.retries).toBeGreaterThan(0)
})
