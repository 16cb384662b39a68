import type { IncomingHttpHeaders } from 'node:http'

import { Client, type Dispatcher } from 'undici'

import { asError, errnoOf } from '../core/errors.js'
import { BodyBuffer, type SpareBuffers } from './body-buffer.js'
import type { Connector } from './connector.js'

export interface WireRequest {
  readonly method: Dispatcher.HttpMethod
  /** With the server's prefix. */
  readonly path: string
  /** Name, value, name, value. */
  readonly headers: string[]
  readonly body: Uint8Array | null
  readonly signal: AbortSignal | undefined
  /** From here to the end of the answer; for {@link Connection.stream} to its start, and between its pieces. */
  readonly timeoutMs: number
  /** {@link Connection.exchange} receives no more. */
  readonly maxAnswerBytes: number
}

export interface AnswerHead {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

export interface Answer extends AnswerHead {
  readonly body: Buffer
  /** Says that nobody looks at `body` any more. Whoever keeps the body does not call it. */
  readonly recycle: () => void
}

/** The answer did not come in time. */
export class AnswerTimeout extends Error {}

/** The connection broke in the middle of an answer. */
export class AnswerCutOff extends Error {}

/** The answer is larger than wanted; it was not received. */
export class AnswerTooLarge extends Error {}

/** One connection to a server, made at its first request. One request at a time. */
export class Connection {
  readonly #client: Client
  readonly #spare: SpareBuffers
  readonly #closing = new AbortController()
  #connected = false

  /** `onConnect`, `onDisconnect`: called when the connection is there, and when it has ended. */
  constructor(job: {
    readonly origin: string
    readonly connector: Connector
    readonly spare: SpareBuffers
    readonly onConnect: () => void
    readonly onDisconnect: (connection: Connection) => void
  }) {
    this.#spare = job.spare
    this.#client = new Client(job.origin, {
      pipelining: 1,
      connect: (_options, callback) => {
        job.connector(this.#closing.signal).then(
          (socket) => callback(null, socket),
          (error: unknown) => callback(asError(error), null),
        )
      },
      // The pool decides how long an idle connection lives; a server's Keep-Alive header still counts.
      keepAliveTimeout: MAX_TIMER_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#client.on('connect', () => {
      this.#connected = true
      job.onConnect()
    })
    this.#client.on('disconnect', () => {
      this.#connected = false
      job.onDisconnect(this)
    })
  }

  /** False once the server or {@link destroy} has ended the connection, and before the first request. */
  get connected(): boolean {
    return this.#connected
  }

  /**
   * Rejects with the error of the socket, with ConnectFailure, AnswerTimeout, AnswerCutOff, AnswerTooLarge or
   * the signal's reason.
   */
  exchange(request: WireRequest): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const body = new BodyBuffer(this.#spare)
      let head: AnswerHead | null = null

      const settle = () => {
        clearTimeout(timer)
        request.signal?.removeEventListener('abort', onAbort)
      }
      const fail = (error: unknown) => {
        settle()
        reject(head === null || this.#closing.signal.aborted ? asError(error) : cutOff(body.length, error))
      }
      const giveUp = (error: Error) => {
        settle()
        reject(error)
        void this.destroy()
      }
      const limit = (bytes: number) => {
        if (bytes > request.maxAnswerBytes)
          giveUp(new AnswerTooLarge(`the answer is larger than ${request.maxAnswerBytes} bytes`))
      }
      const onAbort = () => giveUp(asError(request.signal?.reason))
      const timer = setTimeout(
        () => giveUp(new AnswerTimeout(`no answer within ${request.timeoutMs / 1000} s`)),
        request.timeoutMs,
      )
      request.signal?.addEventListener('abort', onAbort, { once: true })
      if (request.signal?.aborted) {
        onAbort()
        return
      }
      this.#client.dispatch(wireOptions(request), {
        onRequestStart: () => {},
        onResponseStart: (_controller, status, headers) => {
          head = { status, headers }
          limit(Number(headers['content-length'] ?? 0))
          body.expect(headers['content-length'])
        },
        onResponseData: (_controller, chunk) => {
          body.append(chunk)
          limit(body.length)
        },
        onResponseEnd: () => {
          settle()
          if (head !== null) resolve({ ...head, body: body.whole(), recycle: () => body.recycle() })
        },
        onResponseError: (_controller, error) => fail(error),
      })
    })
  }

  /** The head of the answer and its body as it comes; an iteration that stops early ends the connection. */
  async stream(request: WireRequest): Promise<AnswerHead & { readonly body: AsyncIterable<Buffer> }> {
    const { signal, timeoutMs } = request
    const onAbort = () => void this.destroy(asError(signal?.reason))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    const finished = () => signal?.removeEventListener('abort', onAbort)
    try {
      const options = { ...wireOptions(request), headersTimeout: timeoutMs, bodyTimeout: timeoutMs }
      const { statusCode, headers, body } = await this.#client.request(options)
      return { status: statusCode, headers, body: pieces(body, finished) }
    } catch (error) {
      finished()
      throw error
    }
  }

  /** Ends the connection at once; a request that is under way fails with `reason`. */
  async destroy(reason: Error = new Error('the connection was closed')): Promise<void> {
    this.#connected = false
    this.#closing.abort(reason)
    await this.#client.destroy(reason)
  }
}

const MAX_TIMER_MS = 2 ** 31 - 1

function wireOptions({ method, path, headers, body }: WireRequest): Dispatcher.DispatchOptions {
  return { method, path, headers, body }
}

async function* pieces(body: AsyncIterable<Buffer>, finished: () => void): AsyncGenerator<Buffer> {
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      yield chunk
    }
  } catch (error) {
    throw errnoOf(error) === 'UND_ERR_BODY_TIMEOUT' ? error : cutOff(bytes, error)
  } finally {
    finished()
  }
}

function cutOff(bytes: number, cause: unknown): AnswerCutOff {
  return new AnswerCutOff(`the answer broke off after ${bytes} bytes`, { cause })
}
