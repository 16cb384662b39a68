import { parseRetryAfter } from '../core/retry-after.js'
import { StoreError, StoreFullError, StoreUnreachableError, StoreUnsupportedError } from './blob-store.js'

export interface HttpFailure {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly message: string
  readonly cause: Error
  /** The request was garbled on its way: the same one may arrive whole next time. */
  readonly garbled: boolean
}

const BUSY = [408, 425, 429, 500, 502, 503, 504]
/** Turned away at the door. 500, 502 and 504 may come after the work was done. */
const UNPROCESSED = [429, 503]

/** What an answer means, whichever service gave it, by its status alone. */
export function httpError({ status, retryAfter, message, cause, garbled }: HttpFailure): StoreError {
  if (status === 507)
    return new StoreFullError(message, { cause, hint: 'free space or raise the quota of the store' })
  if (status === 501 || status === 405) return new StoreUnsupportedError(message, { cause })
  if (BUSY.includes(status) || garbled)
    return new StoreUnreachableError(message, {
      cause,
      unprocessed: UNPROCESSED.includes(status),
      retryAfterMs: parseRetryAfter(retryAfter, Date.now()),
      hint: 'the service is busy or in trouble: run the command again later, or with a lower --concurrency',
    })
  return new StoreError(message, { cause })
}
