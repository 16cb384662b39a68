import { AbortedError, asError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { parseRetryAfter } from '../core/retry-after.js'
import {
  StoreAccessError,
  StoreError,
  StoreFullError,
  StoreNotFoundError,
  StoreUnreachableError,
  StoreUnsupportedError,
} from './blob-store.js'
import { networkError } from './network-error.js'
import { readS3Failure, type S3Failure } from './s3-failure.js'

/** The bucket lives in another region than the one that requests are signed for. */
export class StoreRegionError extends StoreError {
  override readonly code = 'STORE_REGION'
  override readonly exitCode = ExitCode.usage
}

export interface S3Context {
  /** What was tried, for the message: `write objects/…`. */
  readonly action: string
  /** `s3://bucket/prefix` */
  readonly displayUrl: string
  readonly bucket: string
  readonly region: string
  readonly signal: AbortSignal | undefined
}

/**
 * What a failed call of the SDK means. Conditions (412) and absent keys (404) are for the caller to judge:
 * see {@link readS3Failure}.
 */
export function s3Error(thrown: unknown, context: S3Context): Error {
  if (thrown instanceof OpsError) return thrown
  if (context.signal?.aborted) return new AbortedError(context.signal.reason)
  const failure = readS3Failure(thrown)
  const cause = asError(thrown)
  const text = describe(failure)
  const message = `cannot ${context.action} in ${context.displayUrl}: ${text}`
  return (
    credentialsError(failure, message, cause) ??
    regionError(failure, message, cause, context) ??
    answerError(failure, message, cause, context) ??
    networkError({ thrown, message, cause, isTimeout: failure.code === 'TimeoutError' }) ??
    new StoreError(message, { cause })
  )
}

const NO_CREDENTIALS = /^(CredentialsProviderError|TokenProviderError|SSO.*|.*ExpiredException)$/
const EXPIRED = [
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'InvalidToken',
  'RequestExpired',
]

function credentialsError(failure: S3Failure, message: string, cause: Error): StoreError | null {
  const { code, status, clockSkewCorrected } = failure
  if (status === undefined && NO_CREDENTIALS.test(code))
    return new StoreAccessError(message, {
      cause,
      hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role',
    })
  if (EXPIRED.includes(code))
    return new StoreAccessError(message, { cause, hint: 'renew the credentials: they have expired' })
  if (code === 'RequestTimeTooSkewed')
    return clockSkewCorrected
      ? new StoreUnreachableError(message, { cause, unprocessed: true })
      : new StoreAccessError(message, {
          cause,
          hint: "set this machine's clock: it differs from the store's",
        })
  if (code === 'SignatureDoesNotMatch')
    return new StoreAccessError(message, {
      cause,
      hint: 'check the secret access key; a proxy that changes requests has the same effect',
    })
  if (code === 'InvalidAccessKeyId')
    return new StoreAccessError(message, { cause, hint: 'check the access key id and the endpoint' })
  return null
}

const REGION_CODES = [
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]

function regionError(
  failure: S3Failure,
  message: string,
  cause: Error,
  context: S3Context,
): StoreError | null {
  const { code, status, region } = failure
  if (status !== 301 && status !== 307 && !REGION_CODES.includes(code)) return null
  return new StoreRegionError(message, {
    cause,
    hint:
      region === undefined
        ? `set AWS_REGION to the region of bucket ${context.bucket} (it is not ${context.region})`
        : `set AWS_REGION=${region}: bucket ${context.bucket} is there, not in ${context.region}`,
  })
}

const BUSY = [408, 425, 429, 500, 502, 503, 504]
/** Turned away at the door. 500, 502 and 504 may come after the work was done. */
const UNPROCESSED = [429, 503]
/** The request was garbled or cut on its way: the same request may arrive whole next time. */
const GARBLED = [
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'IncompleteBody',
  'RequestTimeout',
  'InvalidDigest',
]
const FULL = ['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', 'EntityTooLargeForQuota']

function answerError(
  failure: S3Failure,
  message: string,
  cause: Error,
  context: S3Context,
): StoreError | null {
  const { code, status, retryAfter } = failure
  if (status === undefined) return null
  if (code === 'NoSuchBucket')
    return new StoreNotFoundError(message, {
      cause,
      hint: `create bucket ${context.bucket}, or correct its name`,
    })
  if (status === 507 || FULL.includes(code))
    return new StoreFullError(message, { cause, hint: 'free space or raise the quota of the store' })
  if (status === 401 || status === 403)
    return new StoreAccessError(message, {
      cause,
      hint: `allow ${permissionFor(context)} to these credentials`,
    })
  // A conditional write met another one under way: neither has happened yet.
  if (status === 409) return new StoreUnreachableError(message, { cause, unprocessed: true })
  if (status === 501 || status === 405 || code === 'NotImplemented')
    return new StoreUnsupportedError(message, { cause })
  if (BUSY.includes(status) || GARBLED.includes(code))
    return new StoreUnreachableError(message, {
      cause,
      unprocessed: UNPROCESSED.includes(status),
      retryAfterMs: parseRetryAfter(retryAfter, Date.now()),
      hint: 'the service is busy or in trouble: run the command again later, or with a lower --concurrency',
    })
  // An answer that the SDK could not read: cut, or not from an S3 service.
  if (status < 300)
    return new StoreUnreachableError(message, { cause, hint: 'is there an S3 service behind this endpoint?' })
  return null
}

function permissionFor({ bucket, action }: S3Context): string {
  const [verb] = action.split(' ')
  if (verb === 'list' || verb === 'ask') return `s3:ListBucket on ${bucket}`
  if (verb === 'delete') return `s3:DeleteObject on ${bucket}/*`
  return verb === 'write' ? `s3:PutObject on ${bucket}/*` : `s3:GetObject and s3:ListBucket on ${bucket}`
}

function describe({ code, status, message }: S3Failure): string {
  const facts = [code, status === undefined ? '' : `HTTP ${status}`].filter(
    (fact) => fact !== '' && fact !== 'Error',
  )
  return facts.length === 0 ? message : `${message} (${facts.join(', ')})`
}
