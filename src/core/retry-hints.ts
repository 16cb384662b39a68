/** What an error may tell about the call that it ended. */
export interface RetryHints {
  /** The same call may succeed later. Errors without this are final. */
  readonly retryable?: boolean
  /** The other side asked to wait this long. */
  readonly retryAfterMs?: number | undefined
  /** The other side has surely not acted on the call: it was never sent, or was turned away. */
  readonly unprocessed?: boolean
}

/** What `error` says about repeating the call; empty for errors that say nothing. */
export function retryHints(error: unknown): RetryHints {
  if (typeof error !== 'object' || error === null) return {}
  return {
    retryable: 'retryable' in error && error.retryable === true,
    unprocessed: 'unprocessed' in error && error.unprocessed === true,
    retryAfterMs:
      'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined,
  }
}
