import { asError, OpsError } from './errors.js'
import { ExitCode } from './exit-code.js'

export interface CircuitBreakerOptions {
  /** Failures in a row that open the circuit. */
  readonly failureThreshold: number
  /** The first pause; each trial that fails doubles it. */
  readonly openMs: number
  readonly maxOpenMs: number
}

export const defaultBreakerOptions: CircuitBreakerOptions = {
  failureThreshold: 5,
  openMs: 1_000,
  maxOpenMs: 30_000,
}

export type CircuitState = 'closed' | 'open' | 'half-open'

/**
 * Spares a dead server: after some failures in a row nothing is sent for a while (open), then a single
 * call may try (half-open), and its outcome closes or opens the circuit again.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #counts: (error: unknown) => boolean
  readonly #now: () => number
  #failures = 0
  #openUntil: number | null = null
  #pauseMs: number
  #trialRunning = false
  #lastFailure = new Error('no failure yet')
  #opened = 0

  /** `counts`: whether an error shows that the other side is away; others show that it is there. */
  constructor(job: {
    readonly options?: Partial<CircuitBreakerOptions> | undefined
    readonly counts: (error: unknown) => boolean
    readonly now: () => number
  }) {
    this.#options = { ...defaultBreakerOptions, ...job.options }
    this.#counts = job.counts
    this.#now = job.now
    this.#pauseMs = this.#options.openMs
  }

  get state(): CircuitState {
    if (this.#openUntil === null) return 'closed'
    return this.#now() >= this.#openUntil ? 'half-open' : 'open'
  }

  /** How often the circuit has opened. */
  get opened(): number {
    return this.#opened
  }

  /** Throws {@link CircuitOpenError}; else tells whether the call is the trial of a half-open circuit. */
  admit(): boolean {
    if (this.#openUntil === null) return false
    const waitMs = this.#openUntil - this.#now()
    if (waitMs > 0) throw new CircuitOpenError(waitMs, this.#lastFailure)
    if (this.#trialRunning) throw new CircuitOpenError(this.#options.openMs, this.#lastFailure)
    this.#trialRunning = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntil = null
    this.#trialRunning = false
    this.#pauseMs = this.#options.openMs
  }

  /** `trial`: what {@link admit} returned for this call. */
  failed(error: unknown, trial: boolean): void {
    if (trial) this.#trialRunning = false
    if (!this.#counts(error)) {
      // Stopped by its caller: no news. Any other error is an answer, so somebody is there.
      if (!isAborted(error)) this.succeeded()
      return
    }
    this.#lastFailure = asError(error)
    this.#failures++
    if (trial) this.#pauseMs = Math.min(this.#options.maxOpenMs, this.#pauseMs * 2)
    else if (this.#openUntil !== null || this.#failures < this.#options.failureThreshold) return
    this.#openUntil = this.#now() + this.#pauseMs
    this.#opened++
  }
}

/** The call was not made, because the other side has failed too often just now. */
export class CircuitOpenError extends OpsError {
  override readonly code = 'CIRCUIT_OPEN'
  override readonly exitCode = ExitCode.unreachable
  readonly retryable = true
  readonly unprocessed = true
  readonly retryAfterMs: number
  readonly lastFailure: Error

  constructor(retryAfterMs: number, lastFailure: Error) {
    super(`not tried, because it failed too often just now: ${lastFailure.message}`, {
      cause: lastFailure,
      hint: lastFailure instanceof OpsError ? lastFailure.hint : undefined,
    })
    this.retryAfterMs = retryAfterMs
    this.lastFailure = lastFailure
  }
}

function isAborted(error: unknown): boolean {
  return error instanceof OpsError && error.code === 'ABORTED'
}
