import { CircuitOpenError } from './circuit-breaker.js'
import { OpsError } from './errors.js'
import { ExitCode } from './exit-code.js'

export type ExhaustedReason = 'attempts' | 'deadline' | 'noProgress' | 'retryAfter'

/** A call was repeated as long as its policy allows. The last failure is the `cause`; its hint is kept. */
export class RetryExhausted extends OpsError {
  override readonly code = 'RETRY_EXHAUSTED'
  override readonly exitCode = ExitCode.unreachable
  readonly attempts: number
  readonly elapsedMs: number
  readonly reason: ExhaustedReason
  readonly lastError: Error

  constructor(facts: {
    describe: string
    attempts: number
    elapsedMs: number
    reason: ExhaustedReason
    lastError: Error
  }) {
    const { describe, attempts, elapsedMs, reason, lastError } = facts
    const cause = rootFailure(lastError)
    const times = attempts === 1 ? '1 attempt' : `${attempts} attempts`
    super(
      `${describe}: gave up after ${times} in ${seconds(elapsedMs)} (${REASONS[reason]}): ${cause.message}`,
      { cause: lastError, hint: cause instanceof OpsError ? cause.hint : undefined },
    )
    this.attempts = attempts
    this.elapsedMs = elapsedMs
    this.reason = reason
    this.lastError = cause
  }
}

const REASONS: Record<ExhaustedReason, string> = {
  attempts: 'every attempt failed',
  deadline: 'the time for it has passed',
  noProgress: 'nothing succeeded for too long',
  retryAfter: 'the other side asks for a longer pause',
}

/** An open circuit only repeats an earlier failure: that one is what the user must know. */
function rootFailure(error: Error): Error {
  return error instanceof CircuitOpenError ? error.lastFailure : error
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`
}
