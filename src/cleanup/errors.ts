import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** The data directory is of a Chroma before 1.0, whose rules differ. */
export class OldDirectoryError extends OpsError {
  override readonly code = 'OLD_DATA_DIRECTORY'
  override readonly exitCode = ExitCode.notSupported
}

/** Not enough free space for a step. */
export class NoSpaceError extends OpsError {
  override readonly code = 'NO_SPACE'
}

/** A run was killed while it wrote a smaller database over the original. */
export class VacuumUnfinishedError extends OpsError {
  override readonly code = 'VACUUM_UNFINISHED'
  override readonly exitCode = ExitCode.undecided
}

/** Part of the database is not in its file yet: somebody works on it, or was killed. */
export class DatabaseInUseError extends OpsError {
  override readonly code = 'DATABASE_IN_USE'
  override readonly exitCode = ExitCode.locked
}

/** The quarantine has no such run, or its record cannot be read. */
export class QuarantineRunError extends OpsError {
  override readonly code = 'QUARANTINE_RUN'
  override readonly exitCode = ExitCode.notFound
}

/** A copy of the database does not hold what the original holds. */
export class CopyDiffersError extends OpsError {
  override readonly code = 'COPY_DIFFERS'
  override readonly exitCode = ExitCode.integrity
}
