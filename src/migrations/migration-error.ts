import { OpsError, type ErrorDetails } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

export type MigrationErrorCode =
  /** A function of the migration threw, or did not end. */
  | 'FUNCTION_FAILED'
  /** A function of the migration gave back what cannot be stored. */
  | 'BAD_RECORD'
  /** Records have no text to make vectors from. */
  | 'TEXT_MISSING'
  /** An embedding provider failed, or answered something else than vectors. */
  | 'PROVIDER_FAILED'
  /** More would have to be paid than the migration allows. */
  | 'COST_LIMIT'
  /** The operation asks for what a server cannot do, or would do wrongly. */
  | 'OPERATION_REFUSED'
  /** The server has accepted a change and not made it. */
  | 'NOT_KEPT'
  /** A name is taken by another collection. */
  | 'NAME_TAKEN'
  /** Somebody else changed what the step works on. */
  | 'CHANGED_MEANWHILE'

/** What a migration asks for cannot be done; the message names the collection, and the record if it is one. */
export class MigrationError extends OpsError {
  override readonly code: MigrationErrorCode
  override readonly exitCode = ExitCode.failed

  constructor(code: MigrationErrorCode, message: string, details?: ErrorDetails) {
    super(message, details)
    this.code = code
  }
}
