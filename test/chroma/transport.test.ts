import type { IncomingMessage, ServerResponse } from 'node:http'

import { afterEach, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { ChromaGarbledAnswerError, ChromaTimeoutError } from '../../src/chroma/errors.js'
import type { ChromaRequest, ChromaTransport, ServerOptions } from '../../src/chroma/transport.js'
import { AbortedError } from '../../src/core/errors.js'
import { JsonSyntaxError, parseJson } from '../../src/core/json.js'
import { answerJson, chromaLike, readBody, startHttpServer, type TestServer } from '../helpers/http-server.js'

let server: TestServer | undefined
let transport: ChromaTransport | undefined

afterEach(async () => {
  await transport?.close()
  await server?.close()
})

async function connect(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: Partial<ServerOptions> = {},
): Promise<ChromaTransport> {
  server = await startHttpServer(chromaLike(handler))
  transport = await connectTransport({
    url: server.url,
    pool: { min: 1 },
    retry: { baseDelayMs: 5 },
    ...options,
  })
  return transport
}

const get: ChromaRequest = { method: 'GET', path: '/x', idempotent: true }

describe('send', () => {
  test('sends method, path and body, and gives the whole answer', async () => {
    const seen: unknown[] = []
    const one = await connect((request, response) => {
      void readBody(request).then((body) => {
        const { method, url, headers } = request
        seen.push([method, url, headers['content-type'], headers['content-length'], body.toString()])
        answerJson(response, '{"é":1}')
      })
    })
    const body = await one.send({ method: 'POST', path: '/a%20b?c=d', body: '{"ü":1}', idempotent: true })
    expect(body.toString()).toBe('{"é":1}')
    await one.send({ method: 'PUT', path: '/bytes', body: new Uint8Array([123, 125]), idempotent: true })
    await one.send({ method: 'DELETE', path: '/none', idempotent: true })
    expect(seen).toEqual([
      ['POST', '/a%20b?c=d', 'application/json', '8', '{"ü":1}'],
      ['PUT', '/bytes', 'application/json', '2', '{}'],
      ['DELETE', '/none', 'application/json', undefined, ''],
    ])
    expect(one.stats.sentBytes).toBe(10)
  })

  test.each([
    ['with a length', true],
    ['in chunks', false],
  ])('an answer of several megabytes %s comes complete', async (_name, withLength) => {
    const large = Buffer.alloc(5_000_001, 'abcdefg')
    const one = await connect((_request, response) => {
      if (withLength) response.setHeader('content-length', large.length)
      response.write(large.subarray(0, 1_234_567))
      response.end(large.subarray(1_234_567))
    })
    const body = await one.send(get)
    expect(body.length).toBe(large.length)
    expect(body.equals(large)).toBe(true)
    expect(one.stats.receivedBytes).toBeGreaterThanOrEqual(large.length)
  })

  test('empty answers are empty', async () => {
    const one = await connect((_request, response) => response.writeHead(200).end())
    expect(await one.send(get)).toHaveLength(0)
  })

  test('a time limit ends the attempt; an idempotent request is tried again', async () => {
    let requests = 0
    const one = await connect((_request, response) => {
      if (++requests > 1) answerJson(response, '"late"')
    })
    expect(String(await one.send({ ...get, timeoutMs: 50 }))).toBe('"late"')
    expect(requests).toBe(2)
  })

  test('the time limit also holds for an answer that comes drop by drop', async () => {
    const one = await connect(
      (_request, response) => {
        response.writeHead(200, { 'content-length': 1000 })
        const drip = setInterval(() => response.write('x'), 10)
        response.on('close', () => clearInterval(drip))
      },
      { retry: { maxRetries: 0 } },
    )
    const error: unknown = await one.send({ ...get, timeoutMs: 80 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'RETRY_EXHAUSTED', exitCode: 12 })
    expect(error).toHaveProperty('cause', expect.any(ChromaTimeoutError))
  })

  test('a request that is not idempotent is not sent again after a time-out', async () => {
    let requests = 0
    const one = await connect(() => {
      requests++
    })
    const attempt = one.send({ ...get, method: 'POST', idempotent: false, timeoutMs: 50 })
    await expect(attempt).rejects.toBeInstanceOf(ChromaTimeoutError)
    expect(requests).toBe(1)
  })

  test('the signal ends a request at once and frees its connection', async () => {
    const one = await connect(() => {})
    const interrupt = new AbortController()
    const attempt = one.send({ ...get, signal: interrupt.signal })
    setTimeout(() => interrupt.abort(), 30)
    await expect(attempt).rejects.toBeInstanceOf(AbortedError)
    expect(one.stats.pool.active).toBe(0)
  })

  test('an overall deadline holds over all attempts', async () => {
    const one = await connect(() => {}, { retry: { deadlineMs: 100, maxRetries: 50 } })
    const started = performance.now()
    await expect(one.send(get)).rejects.toMatchObject({ code: 'RETRY_EXHAUSTED', reason: 'deadline' })
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

describe('exchange', () => {
  test('gives what the decoder makes of the body', async () => {
    const one = await connect((_request, response) => answerJson(response, '[1]'))
    expect(await one.exchange(get, (body) => parseJson(body.toString()))).toEqual([1n])
  })

  test.each([
    ['our own parser', (body: Buffer): unknown => parseJson(body.toString())],
    ['JSON.parse', (body: Buffer): unknown => JSON.parse(body.toString())],
    [
      'a decoder that says so',
      (body: Buffer): unknown => {
        if (body.includes('!')) throw new ChromaGarbledAnswerError('not what was asked for')
        return [1]
      },
    ],
  ])('damaged JSON is asked for again: %s', async (_name, decode) => {
    let requests = 0
    const one = await connect((_request, response) => answerJson(response, ++requests === 1 ? '[1!' : '[1]'))
    await one.exchange(get, decode)
    expect(requests).toBe(2)
  })

  test('but not when the request must not be repeated', async () => {
    let requests = 0
    const one = await connect((_request, response) => {
      requests++
      answerJson(response, '[1!')
    })
    const attempt = one.exchange({ ...get, method: 'POST', idempotent: false }, (body) =>
      parseJson(body.toString()),
    )
    const error: unknown = await attempt.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ChromaGarbledAnswerError)
    expect(error).toHaveProperty('cause', expect.any(JsonSyntaxError))
    expect(requests).toBe(1)
  })

  test('other errors of the decoder are bugs and come as they are', async () => {
    const one = await connect((_request, response) => answerJson(response, '[]'))
    const bug = new TypeError('bug')
    const attempt = one.exchange(get, () => {
      throw bug
    })
    await expect(attempt).rejects.toBe(bug)
  })

  test('the connection is free while the decoder works', async () => {
    const one = await connect((_request, response) => answerJson(response, '[]'), {
      pool: { min: 1, max: 1, acquireTimeoutMs: 500 },
    })
    await one.exchange(get, () => one.send(get))
  })
})
