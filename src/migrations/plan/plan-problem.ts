import { OpsError, throwIfAborted } from '../../core/errors.js'

/** What a plan tells instead of failing. Throws what is no expected failure, and what stopped the run. */
export function problemOf(error: unknown, signal: AbortSignal): string {
  throwIfAborted(signal)
  if (!(error instanceof OpsError)) throw error
  return error.message
}
