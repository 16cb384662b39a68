import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** Another run prunes, or puts a backup back. */
export class MaintenanceLockedError extends OpsError {
  override readonly code = 'MAINTENANCE_LOCKED'
  override readonly exitCode = ExitCode.locked
}

/** This run was silent for so long that another one has taken over; it has stopped before its next change. */
export class LeaseLostError extends OpsError {
  override readonly code = 'LEASE_LOST'
  override readonly exitCode = ExitCode.locked
}

/** The store cannot tell which of two writers was first. */
export class NoConditionalWritesError extends OpsError {
  override readonly code = 'NO_CONDITIONAL_WRITES'
  override readonly exitCode = ExitCode.notSupported

  constructor(displayUrl: string) {
    super(`${displayUrl} has no conditional writes, so that two prunes could run at the same time`, {
      hint: 'add --single-writer if it is sure that nothing else prunes this repository now',
    })
  }
}

/** The machine's clock and the store's are apart: the age of a backup could be anything. */
export class ClockSkewError extends OpsError {
  override readonly code = 'CLOCK_SKEW'
  override readonly exitCode = ExitCode.refused
}

/** The credentials may not delete, as those of a writer should not. */
export class DeletionNotAllowedError extends OpsError {
  override readonly code = 'DELETION_NOT_ALLOWED'
  override readonly exitCode = ExitCode.notAllowed
}
