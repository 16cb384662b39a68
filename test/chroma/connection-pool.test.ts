import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { PoolExhausted } from '../../src/chroma/errors.js'
import { defaultPoolOptions, type PoolOptions } from '../../src/chroma/pool-options.js'
import type { ChromaTransport } from '../../src/chroma/transport.js'
import { AbortedError, UsageError } from '../../src/core/errors.js'
import type { RetryPolicy } from '../../src/core/retry-policy.js'
import { answerJson, startHttpServer, type TestServer } from '../helpers/http-server.js'

let server: TestServer
let heartbeats: number
let healthy: boolean
let held: (() => void)[]
const opened: ChromaTransport[] = []

beforeEach(async () => {
  heartbeats = 0
  healthy = true
  held = []
  server = await startHttpServer((request, response) => {
    if (request.url === '/api/v2/heartbeat') {
      heartbeats++
      if (healthy) answerJson(response, '{"nanosecond heartbeat":1}')
      else response.destroy()
    } else if (request.url === '/hold') {
      held.push(() => answerJson(response, '"held"'))
    } else answerJson(response, '"ok"')
  })
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()))
  await server.close()
})

async function connect(
  pool: Partial<PoolOptions> = {},
  retry: Partial<RetryPolicy> = { maxRetries: 0 },
): Promise<ChromaTransport> {
  const transport = await connectTransport({ url: server.url, pool, retry })
  opened.push(transport)
  return transport
}

const get = (transport: ChromaTransport, path: string, signal?: AbortSignal) =>
  transport.send({ method: 'GET', path, idempotent: true, signal }).then(String)

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error('it did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('the defaults', () => {
  expect(defaultPoolOptions).toEqual({
    min: 2,
    max: 10,
    acquireTimeoutMs: 30_000,
    idleTimeoutMs: 300_000,
    healthCheckAfterMs: 60_000,
  })
})

test.each([{ max: 0 }, { min: 3, max: 2 }, { min: -1 }, { max: 1.5 }, { idleTimeoutMs: NaN }])(
  '%j is a usage error',
  async (pool) => {
    await expect(connect(pool)).rejects.toThrow(UsageError)
  },
)

describe('making connections', () => {
  test('the minimum is there after first contact, each proven by a heartbeat', async () => {
    const transport = await connect({ min: 3 })
    expect(transport.stats.pool).toMatchObject({ created: 3, idle: 3, active: 0 })
    expect(server.connections).toBe(3)
    expect(heartbeats).toBe(3)
  })

  test('requests one after the other use one connection', async () => {
    const transport = await connect({ min: 1 })
    for (let request = 0; request < 20; request++) await get(transport, '/x')
    expect(server.connections).toBe(1)
    expect(transport.stats.pool).toMatchObject({ created: 1, acquired: 21, idle: 1 })
  })

  test('side by side they use several, but never more than the maximum', async () => {
    const transport = await connect({ min: 1, max: 3 })
    const answers = Array.from({ length: 8 }, () => get(transport, '/hold'))
    await until(() => held.length === 3)
    expect(transport.stats.pool).toMatchObject({ active: 3, waiting: 5 })
    await until(() => {
      held.splice(0).forEach((answer) => answer())
      return transport.stats.pool.active === 0
    })
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 8 }, () => '"held"'))
    expect(server.connections).toBe(3)
    expect(transport.stats.pool).toMatchObject({ active: 0, idle: 3, waiting: 0, timeouts: 0 })
  })

  test('instances share nothing', async () => {
    const first = await connect({ min: 1 })
    const second = await connect({ min: 1 })
    await get(first, '/x')
    expect(first.stats.pool.acquired).toBe(2)
    expect(second.stats.pool.acquired).toBe(1)
    await first.close()
    expect(await get(second, '/x')).toBe('"ok"')
  })
})

describe('waiting', () => {
  test('ends with PoolExhausted, which names the limits', async () => {
    const transport = await connect({ min: 1, max: 1, acquireTimeoutMs: 30 })
    const busy = get(transport, '/hold')
    await until(() => held.length === 1)
    const error: unknown = await get(transport, '/x').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(PoolExhausted)
    expect(error).toMatchObject({ code: 'POOL_EXHAUSTED', exitCode: 12 })
    expect(String(error)).toContain('within 0.03 s: all 1 are in use')
    expect(transport.stats.pool).toMatchObject({ timeouts: 1, waiting: 0 })
    held.forEach((answer) => answer())
    expect(await busy).toBe('"held"')
  })

  test('a transfer waits on instead', async () => {
    const transport = await connect({ min: 1, max: 1, acquireTimeoutMs: 20 }, { baseDelayMs: 1 })
    transport.useBatchRetries()
    const busy = get(transport, '/hold')
    await until(() => held.length === 1)
    const second = get(transport, '/x')
    await until(() => transport.stats.pool.timeouts >= 1)
    held.forEach((answer) => answer())
    expect(await Promise.all([busy, second])).toEqual(['"held"', '"ok"'])
  })

  test('obeys the signal at once', async () => {
    const transport = await connect({ min: 1, max: 1 })
    const busy = get(transport, '/hold')
    await until(() => held.length === 1)
    const interrupt = new AbortController()
    const waiting = get(transport, '/x', interrupt.signal)
    await until(() => transport.stats.pool.waiting === 1)
    interrupt.abort()
    await expect(waiting).rejects.toThrow(AbortedError)
    expect(transport.stats.pool.waiting).toBe(0)
    held.forEach((answer) => answer())
    await busy
  })
})

describe('getting rid of connections', () => {
  test('idle ones beyond the minimum are closed after the idle time', async () => {
    const transport = await connect({ min: 1, max: 4, idleTimeoutMs: 60 })
    const answers = Array.from({ length: 4 }, () => get(transport, '/hold'))
    await until(() => held.length === 4)
    held.splice(0).forEach((answer) => answer())
    await Promise.all(answers)
    expect(transport.stats.pool.idle).toBe(4)
    await until(() => transport.stats.pool.idle === 1)
    expect(transport.stats.pool.recycled).toBe(0)
  })

  test('one that rested long proves itself with a heartbeat first', async () => {
    const transport = await connect({ min: 1, healthCheckAfterMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(await get(transport, '/x')).toBe('"ok"')
    expect(heartbeats).toBe(2)
    expect(await get(transport, '/x')).toBe('"ok"')
    expect(heartbeats).toBe(2)
    expect(transport.stats.pool).toMatchObject({ failedHealthChecks: 0, created: 1 })
  })

  test('one that fails the heartbeat is replaced, and the request does not notice', async () => {
    const transport = await connect({ min: 1, healthCheckAfterMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 40))
    healthy = false
    expect(await get(transport, '/x')).toBe('"ok"')
    expect(transport.stats.pool).toMatchObject({ failedHealthChecks: 1, recycled: 1, created: 2 })
  })

  test('those that the server ends while idle are not used again', async () => {
    const transport = await connect({ min: 2 })
    server.dropConnections()
    await until(() => transport.stats.pool.idle === 0)
    expect(await get(transport, '/x')).toBe('"ok"')
    expect(transport.stats.pool).toMatchObject({ recycled: 2, created: 3 })
    expect(transport.stats.retry.retries).toBe(0)
  })

  test('one whose request failed is replaced, also for the one who waits', async () => {
    const transport = await connect({ min: 1, max: 1 })
    const lost = get(transport, '/hold')
    const waiting = get(transport, '/x')
    await until(() => held.length === 1 && transport.stats.pool.waiting === 1)
    server.dropConnections()
    await expect(lost).rejects.toMatchObject({ exitCode: 12 })
    expect(await waiting).toBe('"ok"')
    expect(transport.stats.pool).toMatchObject({ recycled: 1, active: 0, idle: 1 })
  })

  test('close ends requests under way and those that wait, and refuses new ones', async () => {
    const transport = await connect({ min: 1, max: 1 })
    const running = get(transport, '/hold')
    const waiting = get(transport, '/x')
    await until(() => held.length === 1)
    await Promise.all([
      transport.close(),
      expect(running).rejects.toThrow(AbortedError),
      expect(waiting).rejects.toThrow(AbortedError),
    ])
    await expect(get(transport, '/x')).rejects.toThrow(AbortedError)
  })
})
