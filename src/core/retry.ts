import { sleep } from './abort.js'
import type { CircuitBreaker } from './circuit-breaker.js'
import { AbortedError, asError, throwIfAborted } from './errors.js'
import { RetryExhausted, type ExhaustedReason } from './retry-exhausted.js'
import { retryHints, type RetryHints } from './retry-hints.js'
import type { RetryPolicy } from './retry-policy.js'

export { RetryExhausted } from './retry-exhausted.js'
export { batchPolicy, interactivePolicy, type RetryPolicy } from './retry-policy.js'

/** Time as the retries see it; milliseconds from any fixed moment, never backwards. */
export interface Clock {
  now(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = { now: () => performance.now(), sleep }

export interface RetryCall {
  /** What is done, for messages: `POST …/get`. */
  readonly describe: string
  /** May be done twice. Otherwise it is repeated only after errors that say {@link RetryHints.unprocessed}. */
  readonly idempotent: boolean
  readonly signal?: AbortSignal | undefined
}

export interface RetryEvent {
  readonly describe: string
  /** The attempt that failed, from 1. */
  readonly attempt: number
  readonly delayMs: number
  readonly error: Error
}

export interface RetryStats {
  readonly calls: number
  readonly retries: number
  readonly exhausted: number
  readonly waitedMs: number
}

export interface RetryOptions {
  readonly policy: RetryPolicy
  readonly breaker?: CircuitBreaker | undefined
  /** Called before each pause. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined
  /** Default: the error's own `retryable`. */
  readonly isRetryable?: (error: unknown) => boolean
  readonly clock?: Clock
  /** From 0 up to but not including 1. */
  readonly random?: () => number
}

/** Repeats failed calls under one policy. One instance for each server or store; the instances share nothing. */
export class RetryManager {
  #policy: RetryPolicy
  readonly #breaker: CircuitBreaker | undefined
  readonly #onRetry: (event: RetryEvent) => void
  readonly #isRetryable: (error: unknown) => boolean
  readonly #clock: Clock
  readonly #random: () => number
  readonly #stats = { calls: 0, retries: 0, exhausted: 0, waitedMs: 0 }
  #successes = 0
  #lastSuccess = Number.NEGATIVE_INFINITY

  constructor(options: RetryOptions) {
    this.#policy = options.policy
    this.#breaker = options.breaker
    this.#onRetry = options.onRetry ?? (() => {})
    this.#isRetryable = options.isRetryable ?? ((error) => retryHints(error).retryable === true)
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
  }

  get policy(): RetryPolicy {
    return this.#policy
  }

  /** Holds for decisions from now on, also about calls that are under way. */
  usePolicy(policy: RetryPolicy): void {
    this.#policy = policy
  }

  get stats(): RetryStats {
    return { ...this.#stats }
  }

  /**
   * The result of the first attempt that succeeds. Rejects with the error of the operation as it is when
   * repeating it is useless or unsafe, with {@link RetryExhausted} when the policy's patience is at an end,
   * and with {@link AbortedError} as soon as the signal fires. `operation` gets the number of the attempt,
   * from 1, and a signal that also fires at the deadline.
   */
  async run<T>(
    operation: (attempt: number, signal: AbortSignal | undefined) => Promise<T>,
    call: RetryCall,
  ): Promise<T> {
    throwIfAborted(call.signal)
    this.#stats.calls++
    const { deadlineMs } = this.#policy
    if (deadlineMs === null) return this.#repeat(operation, call, call.signal)

    const finished = new AbortController()
    const deadline = new AbortController()
    const watch = this.#clock.sleep(deadlineMs, finished.signal).then(
      () => deadline.abort(DEADLINE),
      () => {},
    )
    try {
      const signals = call.signal === undefined ? [deadline.signal] : [call.signal, deadline.signal]
      return await this.#repeat(operation, call, AbortSignal.any(signals))
    } finally {
      finished.abort()
      await watch
    }
  }

  async #repeat<T>(
    operation: (attempt: number, signal: AbortSignal | undefined) => Promise<T>,
    call: RetryCall,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const state: CallState = {
      started: this.#clock.now(),
      attempt: 0,
      counted: 0,
      successes: this.#successes,
    }
    let lastError: Error | undefined
    for (;;) {
      state.attempt++
      try {
        const result = await this.#attempt(operation, state.attempt, signal)
        this.#successes++
        this.#lastSuccess = this.#clock.now()
        return result
      } catch (error) {
        throwIfAborted(call.signal)
        if (signal?.aborted)
          throw this.#exhausted(call, state, lastError ?? new Error('no answer in time'), 'deadline')
        lastError = asError(error)
        const delayMs = this.#delayAfter(error, call, state)
        this.#stats.retries++
        this.#stats.waitedMs += delayMs
        this.#onRetry({ describe: call.describe, attempt: state.attempt, delayMs, error: lastError })
      }
      try {
        await this.#clock.sleep(state.delayMs ?? 0, signal)
      } catch (error) {
        throwIfAborted(call.signal)
        if (signal?.aborted) throw this.#exhausted(call, state, lastError, 'deadline')
        throw error
      }
    }
  }

  async #attempt<T>(
    operation: (attempt: number, signal: AbortSignal | undefined) => Promise<T>,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (this.#breaker === undefined) return operation(attempt, signal)
    const trial = this.#breaker.admit()
    try {
      const result = await operation(attempt, signal)
      this.#breaker.succeeded()
      return result
    } catch (error) {
      this.#breaker.failed(error, trial)
      throw error
    }
  }

  /** The pause before the next attempt; throws what the caller is to see when there must not be one. */
  #delayAfter(error: unknown, call: RetryCall, state: CallState): number {
    const hints = retryHints(error)
    if (error instanceof AbortedError || !this.#isRetryable(error)) throw error
    if (!call.idempotent && hints.unprocessed !== true) throw error

    const { maxRetries, noProgressMs, deadlineMs } = this.#policy
    const lastError = asError(error)
    const elapsed = this.#clock.now() - state.started
    if (noProgressMs === null || this.#otherCallsSucceed(state, hints)) state.counted++
    if (state.counted > maxRetries) throw this.#exhausted(call, state, lastError, 'attempts')

    const delayMs = this.#backOff(state.attempt, hints.retryAfterMs)
    if (deadlineMs !== null && elapsed + delayMs >= deadlineMs) {
      throw this.#exhausted(call, state, lastError, 'deadline')
    }
    if (noProgressMs !== null) {
      const idle = Math.min(elapsed, this.#clock.now() - this.#lastSuccess)
      if (idle + delayMs >= noProgressMs) {
        const isAsked = (hints.retryAfterMs ?? 0) >= noProgressMs
        throw this.#exhausted(call, state, lastError, isAsked ? 'retryAfter' : 'noProgress')
      }
    } else if (delayMs > this.#policy.maxDelayMs) {
      throw this.#exhausted(call, state, lastError, 'retryAfter')
    }
    state.delayMs = delayMs
    return delayMs
  }

  /** A call that is only turned away is not to blame for it, however well the others fare. */
  #otherCallsSucceed(state: CallState, hints: RetryHints): boolean {
    const before = state.successes
    state.successes = this.#successes
    return hints.unprocessed !== true && this.#successes > before
  }

  #backOff(attempt: number, retryAfterMs: number | undefined): number {
    const { baseDelayMs, factor, maxDelayMs, jitter } = this.#policy
    const ceiling = Math.min(maxDelayMs, baseDelayMs * factor ** (attempt - 1))
    const delay = jitter ? ceiling * this.#random() : ceiling
    return Math.max(delay, retryAfterMs ?? 0)
  }

  #exhausted(call: RetryCall, state: CallState, lastError: Error, reason: ExhaustedReason): RetryExhausted {
    this.#stats.exhausted++
    return new RetryExhausted({
      describe: call.describe,
      attempts: state.attempt,
      elapsedMs: this.#clock.now() - state.started,
      reason,
      lastError,
    })
  }
}

interface CallState {
  readonly started: number
  attempt: number
  /** Failures that count against `maxRetries`. */
  counted: number
  /** Successes of all calls when this one failed last. */
  successes: number
  delayMs?: number
}

const DEADLINE = 'deadline'
