import { asError, errnoOf } from '../core/errors.js'
import { findByCode, findInText, type FindingCode } from './catalogue.js'
import { AnswerCutOff, AnswerTimeout, AnswerTooLarge } from './connection.js'
import { ConnectFailure } from './connector.js'
import {
  ChromaGarbledAnswerError,
  ChromaTimeoutError,
  ChromaTlsError,
  ChromaUnavailableError,
  PayloadTooLargeError,
  type ChromaError,
  type ChromaErrorDetails,
} from './errors.js'

/**
 * What a broken connection means. `describe` is the request, for the message. Errors that do not come from
 * the network are bugs and are thrown as they are.
 */
export function connectionError(thrown: unknown, describe: string, displayUrl: string): ChromaError {
  const error = asError(thrown)
  if (error instanceof ConnectFailure) return connectFailed(error, displayUrl)
  if (error instanceof AnswerTimeout || isTimeout(error)) {
    return new ChromaTimeoutError(`${describe}: no answer from ${displayUrl} in time`, {
      cause: error,
      retryable: true,
      hint: 'look at the load of the server, or give it more time with --request-timeout',
    })
  }
  if (isTls(error)) return tlsFailed(error, displayUrl, {})
  if (error instanceof AnswerCutOff) {
    return new ChromaGarbledAnswerError(`${describe}: ${error.message}`, {
      cause: error,
      finding: 'CONNECTION_RESET',
    })
  }
  if (error instanceof AnswerTooLarge)
    return new PayloadTooLargeError(`${describe}: ${error.message}`, { cause: error })
  const code = errnoOf(error) ?? ''
  if (isGarbled(error, code)) {
    return new ChromaGarbledAnswerError(`${describe}: the answer of ${displayUrl} is not HTTP`, {
      cause: error,
      hint: 'check the port, and whether the server speaks https',
    })
  }
  if (BROKEN.includes(code)) {
    return new ChromaUnavailableError(
      `${describe}: ${displayUrl} ended the connection without an answer (${code})`,
      {
        cause: error,
        retryable: true,
        finding: 'CONNECTION_RESET',
        // Some servers end the connection after the handshake, without a word, when they miss a certificate.
        ...(displayUrl.startsWith('https:') ? { hint: TLS_RESET_HINT } : {}),
      },
    )
  }
  throw error
}

const TLS_RESET_HINT =
  'look in the log of the server; if it wants a client certificate, give --cert-file and --key-file'

/** UND_ERR_SOCKET: the other side closed. */
const BROKEN = [
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_SOCKET',
]

function connectFailed(failure: ConnectFailure, displayUrl: string): ChromaError {
  const cause = leaf(asError(failure.cause))
  const details = { cause: failure, retryable: true, unprocessed: true }
  const refused = `cannot connect to ${displayUrl}`
  switch (failure.phase) {
    case 'timeout':
      return new ChromaTimeoutError(`${refused}: ${failure.message}`, { ...details, finding: 'UNREACHABLE' })
    case 'tls':
      // A server that dies during the handshake may come back; one that is not trusted will not be.
      if (isTls(cause)) return tlsFailed(cause, displayUrl, details)
      return new ChromaUnavailableError(`${refused}: it ended the TLS handshake (${cause.message})`, {
        ...details,
        finding: 'CONNECTION_RESET',
      })
    case 'proxy':
      return new ChromaUnavailableError(`${refused} through ${cause.message}`, {
        ...details,
        finding: findInText(cause.message)?.finding ?? 'PROXY_REFUSED',
      })
    case 'tcp': {
      const finding = findInText(`${errnoOf(cause) ?? ''} ${cause.message}`)?.finding
      return new ChromaUnavailableError(`${refused}: ${reasonOf(finding, cause)}`, {
        ...details,
        ...(finding === undefined ? {} : { finding }),
      })
    }
  }
}

function tlsFailed(error: Error, displayUrl: string, details: ChromaErrorDetails): ChromaError {
  const finding = findInText(`${errnoOf(error) ?? ''} ${error.message}`)?.finding
  const reason = (finding && findByCode(finding)?.what) ?? firstLine(error.message)
  return new ChromaTlsError(`no trusted connection to ${displayUrl}: ${lowerFirst(reason)}`, {
    ...details,
    cause: error,
    retryable: false,
    ...(finding === undefined ? {} : { finding }),
  })
}

function reasonOf(finding: FindingCode | undefined, cause: Error): string {
  if (finding === 'CONNECTION_REFUSED') return 'connection refused'
  if (finding === 'DNS') return 'the name of the host is not known'
  return firstLine(cause.message)
}

/** With several addresses for one name, Node reports one failure for each; the last stands for all. */
function leaf(error: Error): Error {
  if (!('errors' in error) || !Array.isArray(error.errors)) return error
  const last: unknown = error.errors.at(-1)
  return last === undefined ? error : asError(last)
}

function isTimeout(error: Error): boolean {
  return ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'].includes(errnoOf(error) ?? '')
}

/** Codes of OpenSSL (ERR_SSL_…, EPROTO) and of Node's check of certificates. */
function isTls(error: Error): boolean {
  const code = errnoOf(error) ?? ''
  return /^(ERR_SSL_|ERR_TLS_|EPROTO$|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_|HOSTNAME_)/.test(code)
}

function isGarbled(error: Error, code: string): boolean {
  return (
    code.startsWith('HPE_') ||
    code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' ||
    code === 'UND_ERR_HEADERS_OVERFLOW' ||
    error.name === 'HTTPParserError'
  )
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '')
}
