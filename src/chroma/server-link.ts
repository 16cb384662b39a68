import { OpsError, throwIfAborted } from '../core/errors.js'
import { systemClock } from '../core/retry.js'
import { answerError } from './answer-error.js'
import { SpareBuffers } from './body-buffer.js'
import { Connection, type Answer, type WireRequest } from './connection.js'
import { connectionError } from './connection-error.js'
import { ConnectionPool } from './connection-pool.js'
import { createConnector } from './connector.js'
import { poolOptions, type PoolStats } from './pool-options.js'
import { proxyFor } from './proxy.js'
import { requestHeaders } from './request-headers.js'
import { parseServerUrl, type ServerAddress } from './server-url.js'
import { secureOptions } from './tls.js'
import { defaultServerOptions, type ChromaRequest, type ServerOptions } from './transport.js'

export const HEARTBEAT_PATH = '/api/v2/heartbeat'

/** How long a heartbeat may take that decides about a connection. */
const HEALTH_CHECK_MS = 5_000

/** One attempt at a request: over the pool, with typed errors, without repetition. */
export class ServerLink {
  readonly displayUrl: string
  readonly #server: ServerAddress
  readonly #headers: string[]
  readonly #timeoutMs: number
  readonly #pool: ConnectionPool
  #sentBytes = 0
  #receivedBytes = 0

  /** Sends nothing yet. Throws UsageError for options that cannot work. */
  constructor(options: ServerOptions) {
    const server = parseServerUrl(options.url)
    const connector = createConnector({
      server,
      tls: server.secure ? secureOptions(server.host, options.tls) : null,
      proxy: proxyFor(server, options.proxy),
      timeoutMs: options.connectTimeoutMs ?? defaultServerOptions.connectTimeoutMs,
    })
    const spare = new SpareBuffers()
    this.displayUrl = server.displayUrl
    this.#server = server
    this.#headers = requestHeaders(server, options.headers ?? {})
    this.#timeoutMs = options.requestTimeoutMs ?? defaultServerOptions.requestTimeoutMs
    this.#pool = new ConnectionPool({
      displayUrl: server.displayUrl,
      options: poolOptions(options.pool),
      open: (events) => new Connection({ origin: server.origin, connector, spare, ...events }),
      check: (connection, signal) => this.#isAlive(connection, signal),
      now: () => systemClock.now(),
    })
  }

  /** What goes over the wire, made once for all attempts. */
  prepare({ method, path, body, timeoutMs, maxAnswerBytes }: ChromaRequest): PreparedRequest {
    return {
      method,
      path: this.#server.prefix + path,
      headers: this.#headers,
      body: typeof body === 'string' ? Buffer.from(body) : (body ?? null),
      timeoutMs: timeoutMs ?? this.#timeoutMs,
      maxAnswerBytes: maxAnswerBytes ?? Infinity,
    }
  }

  /** The answer, whatever its status. */
  async exchange(request: WireRequest, describe: string): Promise<Answer> {
    const connection = await this.#pool.acquire(request.signal)
    let broken = true
    try {
      this.#sentBytes += request.body?.length ?? 0
      const answer = await connection.exchange(request)
      this.#receivedBytes += answer.body.length
      broken = false
      return answer
    } catch (error) {
      throw this.#failure(error, request.signal, describe)
    } finally {
      this.#pool.release(connection, broken)
    }
  }

  /** The body of a 2xx answer, piece by piece. The connection is free again when the iteration has ended. */
  async stream(request: WireRequest, describe: string): Promise<AsyncIterable<Uint8Array>> {
    const connection = await this.#pool.acquire(request.signal)
    try {
      this.#sentBytes += request.body?.length ?? 0
      const { status, headers, body } = await connection.stream(request)
      if (isOk(status)) return this.#pieces(connection, body, request.signal, describe)
      const answer = { status, headers, body: await collect(body), recycle: () => {} }
      this.#pool.release(connection, false)
      throw answerError(answer, describe, Date.now())
    } catch (error) {
      this.#pool.release(connection, true)
      throw this.#failure(error, request.signal, describe)
    }
  }

  /** Makes the connections that the pool keeps at least. */
  async warm(signal: AbortSignal | undefined): Promise<void> {
    await this.#pool.warm(signal)
  }

  get stats(): { readonly pool: PoolStats; readonly sentBytes: number; readonly receivedBytes: number } {
    return { pool: this.#pool.stats, sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes }
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }

  async *#pieces(
    connection: Connection,
    body: AsyncIterable<Buffer>,
    signal: AbortSignal | undefined,
    describe: string,
  ): AsyncGenerator<Uint8Array> {
    let broken = true
    try {
      for await (const chunk of body) {
        this.#receivedBytes += chunk.length
        yield chunk
      }
      broken = false
    } catch (error) {
      throw this.#failure(error, signal, describe)
    } finally {
      this.#pool.release(connection, broken)
    }
  }

  #failure(error: unknown, signal: AbortSignal | undefined, describe: string): Error {
    throwIfAborted(signal)
    return error instanceof OpsError ? error : connectionError(error, describe, this.displayUrl)
  }

  async #isAlive(connection: Connection, signal: AbortSignal | undefined): Promise<boolean> {
    const heartbeat = { method: 'GET', path: HEARTBEAT_PATH, idempotent: true } as const
    const request = this.prepare({ ...heartbeat, timeoutMs: HEALTH_CHECK_MS })
    try {
      const { status } = await connection.exchange({ ...request, signal })
      return isOk(status)
    } catch {
      throwIfAborted(signal)
      // Why does not matter: the request gets another connection, and then an error of its own.
      return false
    }
  }
}

export type PreparedRequest = Omit<WireRequest, 'signal'>

export function isOk(status: number): boolean {
  return status >= 200 && status < 300
}

async function collect(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
