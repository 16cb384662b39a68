import { GuardError, OpsError, type ErrorDetails } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'

/** A migration could not be finished. `cause` is what it threw. */
export class MigrationFailedError extends OpsError {
  override readonly code = 'MIGRATION_FAILED'
  override readonly exitCode: ExitCode

  constructor(message: string, details: ErrorDetails & { readonly exitCode?: ExitCode } = {}) {
    super(message, details)
    this.exitCode = details.exitCode ?? ExitCode.failed
  }
}

/** The data is not what a migration expects. Nothing has changed. */
export class CheckFailedError extends OpsError {
  override readonly code = 'CHECK_FAILED'
  override readonly exitCode = ExitCode.refused
}

/** A migration cannot be begun as it is: with code and exit code of what is wrong with it. */
export class MigrationRefusedError extends OpsError {
  override readonly code: string
  override readonly exitCode: ExitCode

  constructor({ code, exitCode }: OpsError, message: string, details: ErrorDetails) {
    super(message, details)
    this.code = code
    this.exitCode = exitCode
  }
}

/** The files and the history do not fit together. */
export class MigrationDriftError extends OpsError {
  override readonly code: DriftCode
  override readonly exitCode = ExitCode.findings
  readonly problems: readonly string[]

  constructor(
    code: DriftCode,
    message: string,
    details: ErrorDetails & { readonly problems?: readonly string[] },
  ) {
    super(message, details)
    this.code = code
    this.problems = details.problems ?? []
  }
}

export type DriftCode =
  /** A file reads otherwise than when it was applied. */
  | 'CHECKSUM_CHANGED'
  /** Applied, and there is no file of it. */
  | 'MIGRATION_MISSING'
  /** Newer than every file here: applied by a newer release of the application. */
  | 'FUTURE_VERSION'
  /** Not applied, though a later one is. */
  | 'OUT_OF_ORDER'
  /** Migrations wait to be applied (`verify`). */
  | 'MIGRATIONS_PENDING'

/** A migration was begun and not finished, and this run cannot go on by itself. */
export class MigrationUndecidedError extends OpsError {
  override readonly code: 'HISTORY_CHANGED' | 'MIGRATION_INTERRUPTED'
  override readonly exitCode = ExitCode.undecided

  constructor(code: MigrationUndecidedError['code'], message: string, details: ErrorDetails) {
    super(message, details)
    this.code = code
  }
}

/** There is no way back. Nothing was changed. */
export class IrreversibleError extends GuardError {
  constructor(message: string, details?: ErrorDetails) {
    super('IRREVERSIBLE', message, details)
  }
}

/** A version that is neither in the folder nor in the history. */
export class MigrationNotFoundError extends OpsError {
  override readonly code = 'MIGRATION_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound
}

/** `up` or `down` of a migration uses its context in a way that cannot be journalled. */
export class ContextMisusedError extends OpsError {
  override readonly code = 'MIGRATION_MISUSED'
  override readonly exitCode = ExitCode.usage
}
