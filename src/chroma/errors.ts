import { OpsError, type ErrorDetails } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { RetryHints } from '../core/retry-hints.js'
import { findByCode, findInText, hintOf, type FindingCode } from './catalogue.js'

/** What is known of a failed request. Never holds header values or credentials. */
export interface ChromaErrorDetails extends ErrorDetails {
  /** HTTP status; null when there was no answer. */
  readonly status?: number | null
  /** `error` of Chroma's answer, such as `InvalidArgumentError`. */
  readonly serverName?: string | null
  /** `message` of Chroma's answer. */
  readonly serverMessage?: string | null
  readonly retryable?: boolean
  readonly retryAfterMs?: number | undefined
  /** The server has surely not acted on the request. */
  readonly unprocessed?: boolean
  /** Instead of what the catalogue finds in `serverMessage`. */
  readonly finding?: FindingCode
}

/** A request to a Chroma server failed. Subclasses say how; `finding` says what is known about the cause. */
export class ChromaError extends OpsError implements RetryHints {
  override readonly code: string = 'CHROMA_FAILED'
  override readonly exitCode: ExitCode = ExitCode.failed
  readonly status: number | null
  readonly serverName: string | null
  readonly serverMessage: string | null
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly unprocessed: boolean
  /** Entry of the error catalogue; null when the failure is not in it. Its advice is in `hint`. */
  readonly finding: FindingCode | null

  constructor(message: string, details: ChromaErrorDetails = {}) {
    const entry =
      details.finding === undefined ? findInText(details.serverMessage ?? '') : findByCode(details.finding)
    super(message, { cause: details.cause, hint: details.hint ?? (entry && hintOf(entry)) })
    this.status = details.status ?? null
    this.serverName = details.serverName ?? null
    this.serverMessage = details.serverMessage ?? null
    this.retryable = details.retryable ?? false
    this.retryAfterMs = details.retryAfterMs
    this.unprocessed = details.unprocessed ?? false
    this.finding = entry?.finding ?? null
  }
}

/** 404 with an answer of Chroma's own: the tenant, the database or the collection is not there. */
export class ChromaNotFoundError extends ChromaError {
  override readonly code: string = 'NOT_FOUND'
  override readonly exitCode: ExitCode = ExitCode.notFound
}

export class TenantNotFoundError extends ChromaNotFoundError {
  override readonly code = 'TENANT_NOT_FOUND'

  constructor(missing: readonly string[], known: readonly string[] = [], cause?: unknown) {
    super(`no tenant named ${missing.join(', ')}`, { cause, hint: chooseFrom(known) })
  }
}

export class DatabaseNotFoundError extends ChromaNotFoundError {
  override readonly code = 'DATABASE_NOT_FOUND'

  constructor(missing: readonly string[], known: readonly string[] = [], cause?: unknown) {
    super(`no database named ${missing.join(', ')}`, { cause, hint: chooseFrom(known) })
  }
}

export class CollectionNotFoundError extends ChromaNotFoundError {
  override readonly code = 'COLLECTION_NOT_FOUND'

  constructor(missing: readonly string[], known: readonly string[] = [], cause?: unknown) {
    super(`no collection named ${missing.join(', ')}`, { cause, hint: chooseFrom(known) })
  }
}

/** The name is taken, or the state of the server forbids it (409, 412, and 500 for a rename). */
export class ChromaConflictError extends ChromaError {
  override readonly code = 'CONFLICT'
}

/** The server refused what was asked (400, 422). */
export class ChromaInvalidRequestError extends ChromaError {
  override readonly code = 'INVALID_REQUEST'
}

/** Too much at once: send or ask for less (413, and 500 "too many SQL variables"). */
export class PayloadTooLargeError extends ChromaError {
  override readonly code = 'PAYLOAD_TOO_LARGE'
}

/** 401 and 403. */
export class ChromaAuthError extends ChromaError {
  override readonly code = 'NOT_ALLOWED'
  override readonly exitCode = ExitCode.notAllowed
}

/** No trust between server and client: an unknown authority, a wrong name, an expired or missing certificate. */
export class ChromaTlsError extends ChromaError {
  override readonly code = 'TLS_FAILED'
  override readonly exitCode = ExitCode.notAllowed
}

/** 429; the request was not processed. */
export class ChromaRateLimitedError extends ChromaError {
  override readonly code = 'RATE_LIMITED'
  override readonly exitCode = ExitCode.unreachable
}

/** The server failed while it worked on the request (5xx); `finding` often knows why. */
export class ChromaServerError extends ChromaError {
  override readonly code = 'SERVER_FAILED'
}

/** Nobody answers, or the connection broke, or a gateway says so (502, 503, 504). */
export class ChromaUnavailableError extends ChromaError {
  override readonly code: string = 'SERVER_UNREACHABLE'
  override readonly exitCode = ExitCode.unreachable
}

/** No answer within the time limit. */
export class ChromaTimeoutError extends ChromaUnavailableError {
  override readonly code = 'SERVER_TIMEOUT'
}

/** An answer that is cut off, or is not what it says, or not JSON. The same request may be answered well. */
export class ChromaGarbledAnswerError extends ChromaError {
  override readonly code = 'GARBLED_ANSWER'
  override readonly exitCode = ExitCode.unreachable

  constructor(message: string, details: ChromaErrorDetails = {}) {
    super(message, { retryable: true, ...details })
  }
}

/** The server does not have this operation (501, and 404 or 405 without a body). */
export class ChromaNotSupportedError extends ChromaError {
  override readonly code: string = 'NOT_SUPPORTED'
  override readonly exitCode = ExitCode.notSupported
}

/** Somebody answers, but it is not Chroma. */
export class NotChromaError extends ChromaError {
  override readonly code = 'NOT_CHROMA'
  override readonly exitCode = ExitCode.notSupported
}

/** A Chroma server before 0.5.16, which does not have API v2. */
export class V1OnlyError extends ChromaNotSupportedError {
  override readonly code = 'V1_ONLY'
}

/** Every connection of the pool stayed in use for the whole acquire timeout. */
export class PoolExhausted extends OpsError implements RetryHints {
  override readonly code = 'POOL_EXHAUSTED'
  override readonly exitCode = ExitCode.unreachable
  readonly unprocessed = true
}

function chooseFrom(known: readonly string[]): string | undefined {
  return known.length === 0 ? undefined : `choose from: ${known.join(', ')}`
}
