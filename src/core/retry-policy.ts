/** How long and how often a failed call is repeated. Times in milliseconds. */
export interface RetryPolicy {
  /**
   * Repetitions after the first attempt. With {@link noProgressMs} only those failures count between which
   * other calls succeeded: then it is this call that fails, not the server that is away.
   */
  readonly maxRetries: number
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly factor: number
  /** Full jitter: a random part of the delay, so that many callers do not come back at the same moment. */
  readonly jitter: boolean
  /** For one call with all its attempts and pauses; null: none. */
  readonly deadlineMs: number | null
  /** Gives up after this long without any success anywhere in the run; null: `maxRetries` alone decides. */
  readonly noProgressMs: number | null
}

/** For first contact and for commands that somebody waits for. */
export const interactivePolicy: RetryPolicy = {
  maxRetries: 3,
  baseDelayMs: 1_000,
  maxDelayMs: 60_000,
  factor: 2,
  jitter: true,
  deadlineMs: null,
  noProgressMs: null,
}

/** For long transfers: a server that restarts must not end a backup of two hours. */
export const batchPolicy: RetryPolicy = {
  ...interactivePolicy,
  maxRetries: 20,
  noProgressMs: 15 * 60_000,
}
