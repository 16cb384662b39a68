import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

import { closeServer, listen, readBody } from './http-server.js'

/** What the proxy does with one request instead of passing it on faithfully. */
export type Fault =
  /** Answers itself; the server never sees the request. 429 with `retryAfter`, 503 … */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly body?: string }
  /** Cuts the connection: before the server has seen the request, or after, without passing its answer on. */
  | { readonly kind: 'reset'; readonly when: 'before' | 'after' }
  /** Passes on the first `bytes` of the body, then cuts; `framing` is how the length was announced. */
  | { readonly kind: 'cut'; readonly bytes: number; readonly framing: 'length' | 'chunked' | 'close' }
  /** Passes on everything after a while. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Never answers. */
  | { readonly kind: 'stall' }
  /** Breaks the JSON of the body, keeping its length; or the head, so that it is not even HTTP. */
  | { readonly kind: 'garble'; readonly part: 'body' | 'head' }
  /** Sends the answer twice, the second time after a while. */
  | { readonly kind: 'duplicate'; readonly afterMs?: number }
  /** Answers with a web page and status 200, as some gateways do. */
  | { readonly kind: 'page' }

export interface ProxiedRequest {
  /** From 0, in the order of arrival. */
  readonly index: number
  readonly method: string
  readonly path: string
  readonly body: Buffer
}

export interface FaultProxy {
  readonly url: string
  /** Every request so far, without bodies. */
  readonly requests: readonly Omit<ProxiedRequest, 'body'>[]
  /** How many requests were treated badly. */
  readonly faults: number
  close(): Promise<void>
}

/** A proxy before one server, on a free loopback port. `decide` may also wait, count, or kill the server. */
export async function startFaultProxy(job: {
  /** `http://127.0.0.1:port`. */
  readonly target: string
  readonly decide: (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>
}): Promise<FaultProxy> {
  const agent = new Agent({ keepAlive: true })
  const requests: Omit<ProxiedRequest, 'body'>[] = []
  let faults = 0

  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url: path = '/' } = incoming
    const index = requests.length
    requests.push({ index, method, path })
    const body = await readBody(incoming)
    const fault = await job.decide({ index, method, path, body })
    if (fault !== undefined) faults++
    const forward = () => forwarded(agent, job.target, incoming, body)
    await (fault === undefined ? passOn(response, await forward()) : spoil(fault, response, forward))
  }
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => {
      // The server behind is away: to the client that looks like a proxy that drops the line.
      response.destroy()
    })
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    get faults() {
      return faults
    },
    close: async () => {
      agent.destroy()
      server.closeAllConnections()
      await closeServer(server)
    },
  }
}

/** Hits requests with a probability, always the same ones for one seed. */
export function randomFaults(job: {
  readonly seed: number
  /** From 0 to 1. */
  readonly probability: number
  readonly faults: readonly Fault[]
  /** Which requests may be hit; default: all. */
  readonly only?: (request: ProxiedRequest) => boolean
}): (request: ProxiedRequest) => Fault | undefined {
  const random = seededRandom(job.seed)
  return (request) => {
    const hit = random() < job.probability
    const choice = Math.floor(random() * job.faults.length)
    return hit && (job.only?.(request) ?? true) ? job.faults[choice] : undefined
  }
}

/** Mulberry32: small, and good enough to choose requests. From 0 up to but not including 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface ServerAnswer {
  readonly status: number
  readonly type: string
  readonly body: Buffer
}

function forwarded(
  agent: Agent,
  target: string,
  { method, url, headers }: IncomingMessage,
  body: Buffer,
): Promise<ServerAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(url ?? '/', target), { method, headers, agent })
    request.once('error', reject)
    request.once('response', (answer) => {
      readBody(answer).then(
        (bytes) =>
          resolve({
            status: answer.statusCode ?? 502,
            type: answer.headers['content-type'] ?? 'application/json',
            body: bytes,
          }),
        reject,
      )
    })
    request.end(body)
  })
}

async function passOn(response: ServerResponse, answer: ServerAnswer): Promise<void> {
  response.writeHead(answer.status, head(answer))
  await new Promise<void>((resolve) => response.end(answer.body, resolve))
}

async function spoil(
  fault: Fault,
  response: ServerResponse,
  forward: () => Promise<ServerAnswer>,
): Promise<void> {
  switch (fault.kind) {
    case 'status': {
      const retryAfter = fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter }
      response.writeHead(fault.status, { 'content-type': 'text/plain', ...retryAfter })
      response.end(fault.body ?? '')
      return
    }
    case 'reset':
      if (fault.when === 'after') await forward()
      response.socket?.resetAndDestroy()
      return
    case 'cut':
      await cut(response, await forward(), fault)
      return
    case 'delay':
      await pause(fault.ms)
      await passOn(response, await forward())
      return
    case 'stall':
      return
    case 'garble':
      await garble(response, await forward(), fault.part)
      return
    case 'duplicate': {
      const answer = await forward()
      const { socket } = response
      await passOn(response, answer)
      if (fault.afterMs !== undefined) await pause(fault.afterMs)
      socket?.write(rawAnswer(answer))
      return
    }
    case 'page':
      await passOn(response, { status: 200, type: 'text/html', body: Buffer.from('<html>one moment</html>') })
      return
  }
}

async function cut(
  response: ServerResponse,
  answer: ServerAnswer,
  { bytes, framing }: Extract<Fault, { kind: 'cut' }>,
): Promise<void> {
  const part = answer.body.subarray(0, bytes)
  const { socket } = response
  if (socket === null) return
  const lines = [`HTTP/1.1 ${answer.status} OK`, `content-type: ${answer.type}`]
  if (framing === 'length') lines.push(`content-length: ${answer.body.length}`)
  if (framing === 'chunked') lines.push('transfer-encoding: chunked')
  if (framing === 'close') lines.push('connection: close')
  const start = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  const chunk = [Buffer.from(`${answer.body.length.toString(16)}\r\n`), part]
  socket.end(Buffer.concat(framing === 'chunked' ? [start, ...chunk] : [start, part]))
}

async function garble(response: ServerResponse, answer: ServerAnswer, part: 'body' | 'head'): Promise<void> {
  if (part === 'head') {
    response.socket?.end('¡no es HTTP!\r\n\r\n')
    return
  }
  const body = Buffer.from(answer.body)
  const middle = Math.floor(body.length / 2)
  // A control character: no JSON, wherever it falls. Other damage may be JSON again, and then nobody can tell.
  body.fill('}\u0001{', middle, Math.min(body.length, middle + 6))
  await passOn(response, { ...answer, body })
}

function rawAnswer(answer: ServerAnswer): Buffer {
  const lines = Object.entries(head(answer)).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${answer.status} OK\r\n${lines.join('')}\r\n`), answer.body])
}

function head({ type, body }: ServerAnswer): Record<string, string | number> {
  return { 'content-type': type, 'content-length': body.length }
}
