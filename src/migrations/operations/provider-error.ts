import { asError } from '../../core/errors.js'
import { maskSecrets } from '../../core/mask-secrets.js'
import { parseRetryAfter } from '../../core/retry-after.js'
import type { RetryHints } from '../../core/retry-hints.js'

/** A call of an embedding provider failed; the message holds nothing that looks like a key. */
export class ProviderError extends Error implements RetryHints {
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined

  constructor(thrown: unknown, now: number) {
    const error = asError(thrown)
    super(withoutKeys(error.message))
    const status = statusOf(thrown) ?? statusOf(error.cause)
    this.retryable = status === undefined ? !isBug(error) : status >= 500 || RETRIED.has(status)
    this.retryAfterMs = parseRetryAfter(retryAfterOf(thrown) ?? retryAfterOf(error.cause), now)
  }
}

/** What a provider answered is not a vector for each text. Asking again would not help. */
export class ProviderAnswerError extends Error {}

/** Timeout, conflict, too early, too many requests. */
const RETRIED = new Set([408, 409, 425, 429])

/** The providers' packages throw an Error or a TypeError (`fetch failed`) when the network fails. */
function isBug(error: Error): boolean {
  return ['ReferenceError', 'SyntaxError', 'RangeError'].includes(error.name)
}

function statusOf(thrown: unknown): number | undefined {
  for (const holder of [thrown, memberOf(thrown, 'response')])
    for (const key of ['status', 'statusCode']) {
      const status = memberOf(holder, key)
      if (typeof status === 'number') return status
    }
  return undefined
}

/** `Retry-After`, wherever the packages of the providers keep the headers of an answer. */
function retryAfterOf(thrown: unknown): string | undefined {
  const headers = memberOf(thrown, 'headers') ?? memberOf(memberOf(thrown, 'response'), 'headers')
  const value =
    headers instanceof Headers
      ? headers.get('retry-after')
      : (memberOf(headers, 'retry-after') ?? memberOf(headers, 'Retry-After'))
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Reflect.get(value, key)
  return found ?? undefined
}

/** Providers like to repeat the key that they refuse; other long words are not worth the risk. */
function withoutKeys(message: string): string {
  return maskSecrets(message.slice(0, 2_000))
    .replace(/\b[\w-]{32,}/g, '***')
    .slice(0, 500)
}
