import { AbortedError, asError, OpsError, throwIfAborted } from '../../core/errors.js'
import { MigrationError } from '../migration-error.js'
import { BadValue, quoted } from './bad-value.js'

/** Which function of a migration is called, for messages. */
export interface CalledFunction {
  /** `transform`, or `transform (2nd operation)`. */
  readonly operation: string
  /** The record it is called with. */
  readonly id: string
}

/** What does not answer for so long is not going to. */
export const FUNCTION_TIMEOUT_MS = 5 * 60_000

/**
 * Calls code of a migration and makes of its answer what `take` does. Rejects with a {@link MigrationError} that
 * names operation and record when it throws, does not end, or `take` throws a {@link BadValue}. A function that
 * never returns cannot be stopped; one whose promise never settles can.
 */
export async function callFunction<T>(
  called: CalledFunction,
  call: () => unknown,
  take: (answer: unknown) => T,
  { signal, timeoutMs = FUNCTION_TIMEOUT_MS }: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<T> {
  throwIfAborted(signal)
  try {
    const answer = call()
    return take(isThenable(answer) ? await within(answer, timeoutMs, signal) : answer)
  } catch (error) {
    throwIfAborted(signal)
    throw failureOf(called, error)
  }
}

/** The same for a function that must answer at once; a promise is passed to `take` like any other answer. */
export function callAtOnce<T>(called: CalledFunction, call: () => unknown, take: (answer: unknown) => T): T {
  try {
    return take(call())
  } catch (error) {
    throw failureOf(called, error)
  }
}

/**
 * Rejects when the signal fires, or after `timeoutMs` (null: never); what goes on then is nobody's business any
 * more.
 */
export async function within<T>(
  answer: PromiseLike<T>,
  timeoutMs: number | null,
  signal: AbortSignal,
): Promise<Awaited<T>> {
  const settled = new AbortController()
  const over = new Promise<never>((_, reject) => {
    const timer =
      timeoutMs === null ? undefined : setTimeout(() => reject(new DidNotEnd(timeoutMs)), timeoutMs)
    settled.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
    const onAbort = () => reject(new AbortedError(signal.reason))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true, signal: settled.signal })
  })
  // Nobody may be waiting for it any more.
  over.catch(() => {})
  try {
    return await Promise.race([answer, over])
  } finally {
    settled.abort()
  }
}

/** A promise of foreign code did not settle in time. */
export class DidNotEnd extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms / 1000} s`)
  }
}

function failureOf({ operation, id }: CalledFunction, error: unknown): OpsError {
  if (error instanceof OpsError) return error
  const where = `${operation} of record ${quoted(id)}`
  if (error instanceof BadValue) return new MigrationError('BAD_RECORD', `${where}: ${error.message}`)
  const cause = asError(error)
  return new MigrationError('FUNCTION_FAILED', `${where} failed: ${cause.message}`, { cause })
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
