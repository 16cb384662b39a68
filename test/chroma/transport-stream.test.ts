import type { IncomingMessage, ServerResponse } from 'node:http'

import { afterEach, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { ChromaGarbledAnswerError, ChromaTimeoutError } from '../../src/chroma/errors.js'
import type { ChromaRequest, ChromaTransport, ServerOptions } from '../../src/chroma/transport.js'
import { AbortedError } from '../../src/core/errors.js'
import { answerJson, chromaLike, startHttpServer, type TestServer } from '../helpers/http-server.js'

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

describe('stream', () => {
  test('gives the pieces as they come, and frees the connection at the end', async () => {
    let next: (() => void) | undefined
    const one = await connect((_request, response) => {
      response.write('[1')
      next = () => response.end(',2]')
    })
    const pieces: string[] = []
    for await (const piece of await one.stream(get)) {
      pieces.push(Buffer.from(piece).toString())
      next?.()
    }
    expect(pieces).toEqual(['[1', ',2]'])
    expect(one.stats.pool).toMatchObject({ active: 0, idle: 1, recycled: 0 })
  })

  test('a reader that stops early costs the connection, nothing else', async () => {
    const one = await connect((request, response) => {
      if (request.url === '/endless') response.write(Buffer.alloc(1_000_000, 'x'))
      else answerJson(response, '"ok"')
    })
    for await (const piece of await one.stream({ ...get, path: '/endless' })) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
    expect(one.stats.pool).toMatchObject({ active: 0, recycled: 1 })
    expect(String(await one.send(get))).toBe('"ok"')
  })

  test('failures before the first byte are tried again; the status too', async () => {
    let requests = 0
    const one = await connect((request, response) => {
      requests++
      if (requests === 1) request.socket.destroy()
      else if (requests === 2) response.writeHead(503).end()
      else answerJson(response, '"third"')
    })
    const pieces: Uint8Array[] = []
    for await (const piece of await one.stream(get)) pieces.push(piece)
    expect(Buffer.concat(pieces).toString()).toBe('"third"')
    expect(one.stats.retry.retries).toBe(2)
  })

  test('an error status is the typed error', async () => {
    const one = await connect((_request, response) =>
      answerJson(response, '{"error":"NotFoundError","message":"gone"}', 404),
    )
    await expect(one.stream(get)).rejects.toMatchObject({ code: 'NOT_FOUND', exitCode: 10 })
    expect(one.stats.pool).toMatchObject({ active: 0, idle: 1 })
  })

  test('a body that breaks off throws from the iteration', async () => {
    const one = await connect((_request, response) => {
      response.writeHead(200, { 'content-length': 1000 })
      response.write('12345')
      setTimeout(() => response.destroy(), 20)
    })
    const error: unknown = await drain(await one.stream(get)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ChromaGarbledAnswerError)
    expect(String(error)).toContain('broke off after 5 bytes')
    expect(one.stats.pool.active).toBe(0)
  })

  test('silence between the pieces is limited', async () => {
    const one = await connect((_request, response) => response.write('12345'))
    const error: unknown = await drain(await one.stream({ ...get, timeoutMs: 100 })).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ChromaTimeoutError)
  })

  test('the signal ends it between the pieces', async () => {
    const one = await connect((_request, response) => response.write('12345'))
    const interrupt = new AbortController()
    const pieces = await one.stream({ ...get, signal: interrupt.signal })
    setTimeout(() => interrupt.abort(), 30)
    await expect(drain(pieces)).rejects.toBeInstanceOf(AbortedError)
    expect(one.stats.pool.active).toBe(0)
  })
})

async function drain(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const piece of pieces) bytes += piece.length
  return bytes
}
