import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** The directory could not be kept still for as long as it takes to copy what had changed. */
export class SnapshotStallError extends OpsError {
  override readonly code = 'SNAPSHOT_STALL'
  override readonly exitCode = ExitCode.locked
}

/** What makes the directory impossible to copy as it is, such as symbolic links in place of its files. */
export class SnapshotUnsupportedError extends OpsError {
  override readonly code = 'SNAPSHOT_UNSUPPORTED'
  override readonly exitCode = ExitCode.notSupported
}
