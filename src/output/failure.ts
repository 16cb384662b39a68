import { asError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** The `error` of a JSON document; fields are only ever added. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string | null
  readonly exitCode: number
}

export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof OpsError) {
    return {
      code: thrown.code,
      message: thrown.message,
      hint: thrown.hint ?? null,
      exitCode: thrown.exitCode,
    }
  }
  const { name, message } = asError(thrown)
  return {
    code: 'INTERNAL',
    message: `${name}: ${message}`,
    hint: 'this is a bug: please report it with the stack trace on stderr',
    exitCode: ExitCode.failed,
  }
}

/** The stack of a failure that nobody expected; undefined for an {@link OpsError}. */
export function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof OpsError ? undefined : asError(thrown).stack
}

/** The messages of the causes below an error, outermost first. */
export function causesOf(thrown: unknown): string[] {
  const causes: string[] = []
  let cause = asError(thrown).cause
  while (cause !== undefined && cause !== null && causes.length < 8) {
    const error = asError(cause)
    causes.push(error.message === '' ? error.name : error.message)
    cause = error.cause
  }
  return causes
}
