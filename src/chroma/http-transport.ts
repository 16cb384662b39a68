import { CircuitBreaker } from '../core/circuit-breaker.js'
import { asError } from '../core/errors.js'
import { batchPolicy, interactivePolicy, RetryManager, systemClock } from '../core/retry.js'
import { retryHints } from '../core/retry-hints.js'
import type { RetryPolicy } from '../core/retry-policy.js'
import { answerError } from './answer-error.js'
import type { Answer, WireRequest } from './connection.js'
import { ChromaGarbledAnswerError, ChromaUnavailableError, PoolExhausted } from './errors.js'
import { isOk, ServerLink } from './server-link.js'
import type { ChromaRequest, ChromaTransport, ServerOptions, TransportStats } from './transport.js'

/** A {@link ChromaTransport} over HTTP/1.1: a {@link ServerLink} whose requests are repeated. */
export class HttpTransport implements ChromaTransport {
  readonly #link: ServerLink
  readonly #breaker: CircuitBreaker
  readonly #retries: RetryManager
  readonly #batch: RetryPolicy
  #patient = false

  /** Sends nothing yet. Throws UsageError for options that cannot work. */
  constructor(options: ServerOptions) {
    this.#link = new ServerLink(options)
    this.#breaker = new CircuitBreaker({
      counts: (error) => error instanceof ChromaUnavailableError,
      now: () => systemClock.now(),
    })
    this.#batch = batchPolicyWith(options.retry ?? {})
    this.#retries = new RetryManager({
      policy: { ...interactivePolicy, ...options.retry },
      breaker: this.#breaker,
      onRetry: options.onRetry,
      // Somebody who waits wants to hear that the pool is too small; a transfer just waits on.
      isRetryable: (error) =>
        error instanceof PoolExhausted ? this.#patient : retryHints(error).retryable === true,
    })
  }

  get displayUrl(): string {
    return this.#link.displayUrl
  }

  async send(request: ChromaRequest): Promise<Buffer> {
    return this.#repeat(request, async (wire, describe) => {
      const answer = await this.#link.exchange(wire, describe)
      throwUnlessOk(answer, describe)
      return answer.body
    })
  }

  async exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T> {
    return this.#repeat(request, async (wire, describe) => {
      const answer = await this.#link.exchange(wire, describe)
      throwUnlessOk(answer, describe)
      try {
        return await decoded(answer.body, decode, describe)
      } finally {
        answer.recycle()
      }
    })
  }

  async stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>> {
    return this.#repeat(request, (wire, describe) => this.#link.stream(wire, describe))
  }

  /** The answer whatever its status, except those that may be better next time; for first contact. */
  async ask(request: ChromaRequest): Promise<Answer> {
    return this.#repeat(request, async (wire, describe) => {
      const answer = await this.#link.exchange(wire, describe)
      const error = isOk(answer.status) ? null : answerError(answer, describe, Date.now())
      if (error?.retryable) throw error
      return answer
    })
  }

  /** Makes the connections that the pool keeps at least. */
  async warm(signal?: AbortSignal): Promise<void> {
    await this.#link.warm(signal)
  }

  get retryPolicy(): RetryPolicy {
    return this.#retries.policy
  }

  useRetryPolicy(policy: RetryPolicy): void {
    this.#retries.usePolicy(policy)
  }

  useBatchRetries(): void {
    this.#patient = true
    this.#retries.usePolicy(this.#batch)
  }

  get stats(): TransportStats {
    return { ...this.#link.stats, retry: this.#retries.stats, circuit: this.#breaker.state }
  }

  async close(): Promise<void> {
    await this.#link.close()
  }

  async #repeat<T>(
    request: ChromaRequest,
    attempt: (wire: WireRequest, describe: string) => Promise<T>,
  ): Promise<T> {
    const describe = `${request.method} ${request.path}`
    const prepared = this.#link.prepare(request)
    return this.#retries.run((_number, signal) => attempt({ ...prepared, signal }, describe), {
      describe,
      idempotent: request.idempotent,
      signal: request.signal,
    })
  }
}

function throwUnlessOk(answer: Answer, describe: string): void {
  if (!isOk(answer.status)) throw answerError(answer, describe, Date.now())
  const type = answer.headers['content-type'] ?? 'application/json'
  // A page in place of an answer comes from a proxy, while the server behind it is away.
  if (type.includes('html')) {
    throw new ChromaGarbledAnswerError(`${describe}: the answer is a web page`, {
      status: answer.status,
      hint: 'look at the proxy or the gateway before the server',
    })
  }
}

/** What is not JSON was damaged on the way: another try may bring it whole. */
async function decoded<T>(
  body: Buffer,
  decode: (body: Buffer) => T | Promise<T>,
  describe: string,
): Promise<T> {
  try {
    return await decode(body)
  } catch (error) {
    const { name, message } = asError(error)
    if (name !== 'SyntaxError' && name !== 'JsonSyntaxError') throw error
    throw new ChromaGarbledAnswerError(`${describe}: the answer is not JSON: ${message}`, { cause: error })
  }
}

function batchPolicyWith(retry: Partial<RetryPolicy>): RetryPolicy {
  const limited = retry.maxRetries !== undefined && retry.noProgressMs === undefined
  return { ...batchPolicy, ...retry, ...(limited ? { noProgressMs: null } : {}) }
}
