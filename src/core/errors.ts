import { isNativeError } from 'node:util/types'

import { ExitCode } from './exit-code.js'

/** What an {@link OpsError} may carry beside its message. */
export interface ErrorDetails {
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/**
 * A failure we expected and can explain. The CLI prints `message` and `hint`
 * without a stack trace; anything else that reaches the CLI is a bug and is
 * printed with one.
 */
export abstract class OpsError extends Error {
  /** Stable, machine-readable; appears in `--json` output. */
  abstract readonly code: string
  readonly exitCode: ExitCode = ExitCode.failed
  /** What the user can do next, as one imperative sentence. */
  readonly hint: string | undefined

  constructor(message: string, { hint, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.hint = hint
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** The command line, the configuration file or an argument of the library is wrong. */
export class UsageError extends OpsError {
  override readonly code: string = 'USAGE'
  override readonly exitCode: ExitCode = ExitCode.usage
}

/** A guard refused to go on; the hint names the flag that overrides it. */
export class GuardError extends OpsError {
  override readonly code: string
  override readonly exitCode: ExitCode = ExitCode.refused

  constructor(code: string, message: string, details?: ErrorDetails) {
    super(message, details)
    this.code = code
  }
}

/** Stored or received bytes are not what they must be. */
export class IntegrityError extends OpsError {
  override readonly code: string = 'INTEGRITY'
  override readonly exitCode: ExitCode = ExitCode.integrity
}

/** The user's or the caller's signal stopped the work; carries the signal's reason as `cause`. */
export class AbortedError extends OpsError {
  override readonly code: string = 'ABORTED'
  override readonly exitCode: ExitCode = ExitCode.interrupted

  constructor(reason?: unknown) {
    super('stopped before it was finished', { cause: reason })
  }
}

/**
 * Anything thrown, as an `Error`. Jest runs tests in another realm, where `instanceof Error` is false for
 * errors of Node itself; `isNativeError` is true in every realm.
 */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  if (isNativeError(thrown)) return thrown
  return new Error(String(thrown), { cause: thrown })
}

/** Whether `thrown` is a system error with this code, such as `ENOENT`. */
export function isErrno(thrown: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(errnoOf(thrown) ?? '')
}

/** The `code` of a system error, else undefined. */
export function errnoOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/** Throws {@link AbortedError} if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw signal.reason instanceof OpsError ? signal.reason : new AbortedError(signal.reason)
}
