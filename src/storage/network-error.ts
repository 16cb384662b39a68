import { errnoOf } from '../core/errors.js'
import { StoreAccessError, type StoreError, StoreUnreachableError } from './blob-store.js'

export interface NetworkFailure {
  readonly thrown: unknown
  /** Of the error that is made of it. */
  readonly message: string
  readonly cause: Error
  /** The SDK gave up waiting, whatever its error says. */
  readonly isTimeout?: boolean
}

/** What a call means that got no answer, or not all of it; null when it is no failure of the network. */
export function networkError({
  thrown,
  message,
  cause,
  isTimeout = false,
}: NetworkFailure): StoreError | null {
  // SDKs wrap some errors and keep only their text.
  const code = errnoOf(thrown) ?? NETWORK.find((known) => cause.message.includes(known)) ?? ''
  if (/CERT|SELF_SIGNED|SIGNATURE|ISSUER|^ERR_TLS|^ERR_SSL/.test(code))
    return new StoreAccessError(message, {
      cause,
      hint: 'name the authority that signed its certificate in NODE_EXTRA_CA_CERTS',
    })
  const isNetwork =
    NETWORK.includes(code) ||
    code.startsWith('HPE_') ||
    isTimeout ||
    /socket hang up|aborted|timed out/i.test(cause.message)
  if (!isNetwork) return null
  return new StoreUnreachableError(message, {
    cause,
    unprocessed: NOT_SENT.includes(code),
    hint:
      HINTS[isTimeout ? 'ETIMEDOUT' : code] ?? 'check the network and the service, and run the command again',
  })
}

/** Nothing was sent yet. */
const NOT_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']
const NETWORK = [
  ...NOT_SENT,
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
]

const HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'check the name of the endpoint',
  EAI_AGAIN: 'check the name of the endpoint, and whether this machine can resolve names',
  ECONNREFUSED: 'check that the service runs, and the address and port of the endpoint',
  EHOSTUNREACH: 'check the address of the endpoint, and the network of this machine',
  ENETUNREACH: 'check the address of the endpoint, and the network of this machine',
  ETIMEDOUT: 'check the address of the endpoint, and whether a firewall or a missing proxy is in the way',
}
