import { AbortedError, asError, errnoOf, OpsError } from '../core/errors.js'
import { StoreAccessError, StoreError, StoreNotFoundError, StoreUnreachableError } from './blob-store.js'
import { CutAnswer, type GcsAnswer, SignInFailure } from './gcs-request.js'
import { httpError } from './http-error.js'
import { networkError } from './network-error.js'

export interface GcsContext {
  /** What was tried, for the message: `write objects/…`. */
  readonly action: string
  readonly displayUrl: string
  readonly bucket: string
  readonly signal: AbortSignal | undefined
}

export const NOT_GCS = 'check the endpoint: is Google Cloud Storage behind it?'

/** What the service said: a JSON document, or a line of text where bytes were asked for. */
export interface GcsRefusal {
  /** Such as `notFound`, `conditionNotMet`, `rateLimitExceeded`; empty in a line of text. */
  readonly reason: string
  readonly message: string
}

export function readRefusal({ status, body }: GcsAnswer): GcsRefusal {
  const text = body.subarray(0, 100_000).toString()
  const error = field(parse(text), 'error')
  const [first]: unknown[] = [field(error, 'errors')].flat()
  const reason = field(first, 'reason') ?? field(error, 'status')
  const message = field(error, 'message') ?? (text.startsWith('<') ? '' : text.split('\n', 1)[0])
  return {
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' && message !== '' ? message.slice(0, 500) : `HTTP ${status}`,
  }
}

/** Whether a 404 is about the bucket. Where only an object is named, the emulators do not tell. */
export function isBucketMissing(answer: GcsAnswer): boolean {
  return answer.status === 404 && /bucket does not exist/i.test(readRefusal(answer).message)
}

/** What an answer other than 2xx means. Conditions and absent objects are for the caller to judge. */
export function gcsRefusal(answer: GcsAnswer, context: GcsContext): Error {
  const { status, headers } = answer
  const { reason, message: text } = readRefusal(answer)
  const facts = [reason, `HTTP ${status}`].filter((fact) => fact !== '' && fact !== text)
  const message = `cannot ${context.action} in ${context.displayUrl}: ${text}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`
  const cause = new Error(text)
  const isBusy = /RateLimitExceeded|^rateLimitExceeded|backendError|^quotaExceeded/.test(reason)
  if (status === 404)
    return new StoreNotFoundError(message, {
      cause,
      hint: `create bucket ${context.bucket}, or correct its name`,
    })
  if ((status === 401 || status === 403) && !isBusy)
    return new StoreAccessError(message, { cause, hint: accessHint(status, `${reason} ${text}`, context) })
  // Another write to the same object was under way: ours has not happened.
  if (status === 409) return new StoreUnreachableError(message, { cause, unprocessed: true })
  if (status >= 300 && status < 400) return new StoreError(message, { cause, hint: NOT_GCS })
  const garbled = status === 400 && /(md5|crc32c) hash .*match|hash mismatch|checksum/i.test(text)
  const retryAfter = headers['retry-after']
  return httpError({ status: isBusy ? 429 : status, retryAfter, message, cause, garbled })
}

/** What a request means that got no answer. */
export function gcsFailure(thrown: unknown, context: GcsContext): Error {
  if (thrown instanceof OpsError) return thrown
  if (context.signal?.aborted) return new AbortedError(context.signal.reason)
  const cause = asError(thrown)
  const message = `cannot ${context.action} in ${context.displayUrl}: ${cause.message}`
  if (thrown instanceof SignInFailure) return signInError(thrown, message)
  if (thrown instanceof CutAnswer) return new StoreUnreachableError(message, { cause, hint: NOT_GCS })
  return networkError({ thrown, message, cause }) ?? new StoreError(message, { cause })
}

/** The cause is left out: the SDK hangs its request with the assertion or the refresh token on it. */
function signInError({ cause, message: text }: SignInFailure, message: string): StoreError {
  const plain = Object.assign(new Error(text), { code: errnoOf(cause) ?? '' })
  const status = field(field(cause, 'response'), 'status')
  if (typeof status === 'number' && status >= 500) return new StoreUnreachableError(message, { cause: plain })
  const network = status === undefined ? networkError({ thrown: plain, message, cause: plain }) : null
  return network ?? new StoreAccessError(message, { cause: plain, hint: SIGN_IN })
}

const SIGN_IN =
  'set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, run gcloud auth application-default login, or give this machine a service account'

function accessHint(status: number, reason: string, context: GcsContext): string {
  if (/retentionPolicy|retention|\bhold\b/i.test(reason))
    return 'the object is protected by a retention policy or a hold of the bucket'
  if (/accountDisabled|billing/i.test(reason)) return 'check the billing account of the project'
  if (status === 401 && /invalid|expired/i.test(reason))
    return `renew the credentials: they are not valid any more. ${SIGN_IN}`
  if (status === 401) return SIGN_IN
  return `allow ${permissionFor(context)} on bucket ${context.bucket} to these credentials`
}

function permissionFor({ action }: GcsContext): string {
  const [verb = ''] = action.split(' ')
  return RIGHTS[verb] ?? 'storage.objects.get'
}

const RIGHTS: Readonly<Record<string, string>> = {
  write: 'storage.objects.create (and storage.objects.delete, to replace one)',
  delete: 'storage.objects.delete',
  list: 'storage.objects.list',
  ask: 'storage.objects.list',
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
