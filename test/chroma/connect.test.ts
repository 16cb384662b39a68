import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:net'

import { afterEach, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { NotChromaError, V1OnlyError } from '../../src/chroma/errors.js'
import type { ServerOptions } from '../../src/chroma/transport.js'
import { UsageError } from '../../src/core/errors.js'
import {
  answerJson,
  closeServer,
  listen,
  startHttpServer,
  unusedPort,
  type TestServer,
} from '../helpers/http-server.js'

const servers: TestServer[] = []
const rawServers: Server[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await Promise.all(rawServers.splice(0).map(closeServer))
})

async function serve(handler: RequestListener): Promise<string> {
  const server = await startHttpServer(handler)
  servers.push(server)
  return server.url
}

/** What first contact ends with, and how long it took. */
async function failure(options: ServerOptions): Promise<{ error: unknown; ms: number }> {
  const started = performance.now()
  try {
    const transport = await connectTransport(options)
    await transport.close()
  } catch (error) {
    return { error, ms: performance.now() - started }
  }
  throw new Error('expected a failure')
}

const quick = { retry: { baseDelayMs: 20 } }

describe('nobody there: 12, within seconds, with the address', () => {
  test('connection refused, after all attempts of the interactive profile', async () => {
    const url = `http://127.0.0.1:${await unusedPort()}`
    const { error, ms } = await failure({ url })
    expect(error).toMatchObject({
      message: `cannot connect to ${url}: connection refused (4 attempts)`,
      code: 'SERVER_UNREACHABLE',
      exitCode: 12,
      finding: 'CONNECTION_REFUSED',
    })
    expect(error).toHaveProperty('hint', expect.stringContaining('check the port'))
    expect(ms).toBeLessThan(12_000)
  })

  test('all addresses of a name refused', async () => {
    const url = `http://localhost:${await unusedPort()}`
    const { error } = await failure({ url, ...quick })
    expect(error).toMatchObject({ finding: 'CONNECTION_REFUSED' })
    expect(String(error)).toContain('connection refused')
  })

  test('an unknown host', async () => {
    const { error } = await failure({ url: 'http://chroma.invalid:8000', ...quick })
    expect(error).toMatchObject({ exitCode: 12, finding: 'DNS' })
    expect(String(error)).toContain('cannot connect to http://chroma.invalid:8000')
  })

  test('somebody who accepts and says nothing', async () => {
    const silent = createServer((socket) => socket.resume())
    rawServers.push(silent)
    const url = `http://127.0.0.1:${await listen(silent)}`
    const { error, ms } = await failure({ url, connectTimeoutMs: 100, retry: { maxRetries: 0 } })
    expect(error).toMatchObject({ exitCode: 12 })
    expect(String(error)).toContain('no answer')
    expect(ms).toBeLessThan(3000)
  })

  test('a gateway whose server is away', async () => {
    const url = await serve((_request, response) => response.writeHead(503).end('no upstream'))
    const { error } = await failure({ url, ...quick })
    expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', exitCode: 12, status: 503 })
    expect(String(error)).toContain('no upstream (503')
  })

  test('the signal ends it at once', async () => {
    const url = `http://127.0.0.1:${await unusedPort()}`
    const interrupt = new AbortController()
    setTimeout(() => interrupt.abort(), 50)
    const { error, ms } = await failure({
      url,
      signal: interrupt.signal,
      retry: { baseDelayMs: 8_000, jitter: false },
    })
    expect(error).toMatchObject({ code: 'ABORTED' })
    expect(ms).toBeLessThan(5000)
  })
})

describe('somebody else there: 16, at the first attempt', () => {
  test.each<[string, RequestListener, string]>([
    [
      'a web page',
      (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello'),
      'with a web page (200)',
    ],
    ['other JSON', (_request, response) => answerJson(response, '{"status":"ok"}'), 'with other JSON (200)'],
    [
      'a web page for what is not found',
      (_request, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<html>404'),
      'with a web page (404)',
    ],
    [
      'another API',
      (_request, response) => answerJson(response, '{"detail":"Not Found"}', 404),
      'with other JSON (404)',
    ],
  ])('%s', async (_name, handler, words) => {
    let requests = 0
    const url = await serve((request, response) => {
      requests++
      handler(request, response)
    })
    const { error } = await failure({ url })
    expect(error).toBeInstanceOf(NotChromaError)
    expect(error).toMatchObject({ code: 'NOT_CHROMA', exitCode: 16 })
    expect(String(error)).toContain(`no Chroma at ${url}: it answers /api/v2/heartbeat ${words}`)
    expect(requests).toBeLessThanOrEqual(2)
  })

  test('a redirect names the place to go', async () => {
    const location = 'https://user:pw@chroma.example.com/api/v2/heartbeat?token=hush'
    const url = await serve((_request, response) => response.writeHead(308, { location }).end())
    const { error } = await failure({ url })
    expect(error).toBeInstanceOf(NotChromaError)
    expect(error).toHaveProperty('hint', expect.stringMatching(/https:\/\/chroma\.example\.com$/))
  })

  test('a server that has only API v1', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/api/v1/heartbeat') answerJson(response, '{"nanosecond heartbeat": 1}')
      else answerJson(response, '{"detail":"Not Found"}', 404)
    })
    const { error } = await failure({ url })
    expect(error).toBeInstanceOf(V1OnlyError)
    expect(error).toMatchObject({ code: 'V1_ONLY', exitCode: 16 })
    expect(error).toHaveProperty('hint', expect.stringContaining('upgrade'))
  })

  test('not HTTP at all', async () => {
    const ssh = createServer((socket) => socket.resume().end('SSH-2.0-OpenSSH_9.2\r\n'))
    rawServers.push(ssh)
    const { error } = await failure({ url: `http://127.0.0.1:${await listen(ssh)}`, ...quick })
    expect(error).toMatchObject({ exitCode: 12 })
    expect(String(error)).toContain('is not HTTP')
  })
})

describe('not allowed: 14', () => {
  test.each([401, 403])('status %d', async (status) => {
    const url = await serve((_request, response) => response.writeHead(status).end('who are you?'))
    const { error } = await failure({ url, headers: { 'x-chroma-token': 'hush' } })
    expect(error).toMatchObject({ code: 'NOT_ALLOWED', exitCode: 14, status })
    expect(error).toHaveProperty('hint', expect.stringContaining('--token-file'))
    expect(JSON.stringify(error) + String(error)).not.toContain('hush')
  })
})

describe('headers and credentials', () => {
  test('are sent with every request, and those of the URL too', async () => {
    const seen: unknown[] = []
    const url = await serve((request, response) => {
      seen.push([request.headers.authorization, request.headers['x-chroma-token']])
      answerJson(response, '{"nanosecond heartbeat":1}')
    })
    const transport = await connectTransport({
      url: url.replace('//', '//me:pass@'),
      headers: { 'X-Chroma-Token': 'hush' },
    })
    expect(transport.displayUrl).toBe(url)
    expect(seen).toEqual([
      ['Basic bWU6cGFzcw==', 'hush'],
      ['Basic bWU6cGFzcw==', 'hush'],
    ])
    await transport.close()
  })

  test.each([
    [{ 'bad name': 'x' }, 'bad name'],
    [{ 'x-token': 'hush\n' }, 'x-token'],
    [{ 'Content-Length': '5' }, 'Content-Length'],
  ])('%j is a usage error that does not repeat the value', async (headers, name) => {
    const { error } = await failure({ url: 'http://127.0.0.1:1', headers })
    expect(error).toBeInstanceOf(UsageError)
    expect(String(error)).toContain(name)
    expect(String(error)).not.toContain('hush')
  })
})

test('a path prefix stands before every path', async () => {
  const paths: unknown[] = []
  const url = await serve((request, response) => {
    paths.push(request.url)
    answerJson(response, '{"nanosecond heartbeat":1}')
  })
  const transport = await connectTransport({ url: `${url}/chroma/`, pool: { min: 1 } })
  await transport.send({ method: 'GET', path: '/openapi.json', idempotent: true })
  expect(paths).toEqual(['/chroma/api/v2/heartbeat', '/chroma/openapi.json'])
  expect(transport.displayUrl).toBe(`${url}/chroma`)
  await transport.close()
})
