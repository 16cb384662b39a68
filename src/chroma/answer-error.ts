import type { IncomingHttpHeaders } from 'node:http'

import { parseRetryAfter } from '../core/retry-after.js'
import { findInText } from './catalogue.js'
import {
  ChromaAuthError,
  ChromaConflictError,
  ChromaInvalidRequestError,
  ChromaNotFoundError,
  ChromaNotSupportedError,
  ChromaRateLimitedError,
  ChromaServerError,
  ChromaTlsError,
  ChromaUnavailableError,
  NotChromaError,
  PayloadTooLargeError,
  type ChromaError,
  type ChromaErrorDetails,
} from './errors.js'

/** An answer that is not 2xx. */
export interface FailedAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * What a failed answer means. `describe` is the request, for the message; `now` is in milliseconds since
 * 1970. Statuses and texts as a Chroma 1.x server sends them, and as proxies before it do.
 */
export function answerError(answer: FailedAnswer, describe: string, now: number): ChromaError {
  const { status, headers, body } = answer
  const spoken = chromaBody(body)
  const text = spoken?.message ?? printable(body.toString('utf8'))
  const details: ChromaErrorDetails = {
    status,
    serverName: spoken?.name ?? null,
    serverMessage: text,
    retryAfterMs: parseRetryAfter(headers['retry-after'], now),
  }
  const fromChroma = spoken !== null || body.length === 0
  const message = summary(answer, spoken, text, describe)

  if (status >= 300 && status < 400) {
    return new NotChromaError(message, { ...details, hint: redirectHint(headers) })
  }
  switch (status) {
    case 400:
    case 422:
      // A proxy that ends TLS itself says so in HTTP.
      if (!fromChroma && findInText(text)?.finding === 'TLS_CLIENT_CERTIFICATE') {
        return new ChromaTlsError(message, details)
      }
      return fromChroma || findInText(text) !== undefined
        ? new ChromaInvalidRequestError(message, details)
        : new NotChromaError(message, details)
    case 401:
    case 403:
    case 407:
      return new ChromaAuthError(
        message,
        text.includes('disabled') ? details : { ...details, hint: AUTH_HINT },
      )
    case 404:
      if (spoken?.name !== undefined) return new ChromaNotFoundError(message, details)
      // The router of Chroma answers an unknown route without a body.
      if (fromChroma) return new ChromaNotSupportedError(message, { ...details, hint: ROUTE_HINT })
      return new NotChromaError(message, { ...details, hint: NOT_CHROMA_HINT })
    case 405:
    case 501:
      return new ChromaNotSupportedError(message, details)
    case 408:
      return new ChromaUnavailableError(message, { ...details, retryable: true })
    case 409:
      return new ChromaConflictError(message, details)
    case 410:
      return new ChromaNotSupportedError(message, details)
    case 412:
      return new ChromaConflictError(message, { ...details, retryable: spoken?.name === 'StaleReadError' })
    case 413:
      return new PayloadTooLargeError(message, { ...details, finding: 'BATCH_TOO_BIG' })
    case 429:
      return new ChromaRateLimitedError(message, {
        ...details,
        finding: 'RATE_LIMITED',
        retryable: true,
        unprocessed: true,
      })
    case 500:
      return internalError(message, details)
    case 502:
    case 503:
    case 504:
      return new ChromaUnavailableError(message, { ...details, retryable: true })
  }
  return status >= 500 ? new ChromaServerError(message, details) : new NotChromaError(message, details)
}

/** Behind 500 Chroma hides failures of very different kinds. */
function internalError(message: string, details: ChromaErrorDetails): ChromaError {
  const finding = findInText(details.serverMessage ?? '')?.finding
  if (finding === 'LOCKED') return new ChromaServerError(message, { ...details, retryable: true })
  if (finding === 'PAGE_TOO_BIG' || finding === 'BATCH_TOO_BIG') {
    return new PayloadTooLargeError(message, details)
  }
  if (finding === 'CLOUD_ONLY') return new ChromaNotSupportedError(message, details)
  if (finding === 'NAME_TAKEN') return new ChromaConflictError(message, details)
  return new ChromaServerError(message, details)
}

interface SpokenError {
  readonly name: string | undefined
  readonly message: string
}

/** `{"error": name, "message": text}`, or null when the body is something else. */
function chromaBody(body: Buffer): SpokenError | null {
  if (body.length === 0 || body.length > MAX_ERROR_BYTES) return null
  const value = parsed(body.toString('utf8'))
  if (typeof value !== 'object' || value === null || !('error' in value)) return null
  const name = typeof value.error === 'string' ? printable(value.error) : undefined
  const message = 'message' in value && typeof value.message === 'string' ? value.message : (name ?? '')
  return { name, message: printable(message) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function summary(
  { status, headers }: FailedAnswer,
  spoken: SpokenError | null,
  text: string,
  describe: string,
): string {
  const name = spoken?.name === undefined ? '' : ` ${spoken.name}`
  const isText = text !== '' && !(headers['content-type'] ?? '').includes('html')
  return isText ? `${text} (${status}${name}, ${describe})` : `status ${status} (${describe})`
}

const MAX_ERROR_BYTES = 1024 * 1024
const MAX_TEXT = 600

/** Texts of others end up on terminals and in logs: one line, no control characters, not endless. */
function printable(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ').trim()
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line
}

function redirectHint(headers: IncomingHttpHeaders): string {
  const target = headers.location ?? ''
  if (!URL.canParse(target)) return 'use the URL that the server redirects to'
  const url = new URL(target)
  return `use the URL that the server redirects to: ${url.origin}`
}

const AUTH_HINT =
  'give the token that the server or the proxy before it expects: --token-file, or --header "name: file:PATH"'
const ROUTE_HINT =
  'the server does not have this operation: it is older, or the URL lacks a path prefix or has one too many'
const NOT_CHROMA_HINT =
  'the answer is not one of Chroma: check host and port, and whether a proxy wants a path prefix in the URL'
