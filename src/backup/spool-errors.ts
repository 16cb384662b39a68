import { GuardError, IntegrityError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** What waits in the spool belongs to another repository. */
export class SpoolForeignError extends GuardError {
  constructor(folder: string, own: string, repositoryUrl: string, other: string) {
    super(
      'SPOOL_FOREIGN',
      `${folder} is the spool of repository ${own}, and ${repositoryUrl} is ${other}, or is encrypted and the other is not`,
      { hint: 'name the repository that it belongs to, or move the folder away' },
    )
  }
}

/** A backup is being made in the spool. */
export class SpoolBusyError extends OpsError {
  override readonly code = 'SPOOL_BUSY'
  override readonly exitCode = ExitCode.locked

  constructor(folder: string, session: string) {
    super(`${session} in ${folder} shows that a backup is being made there`, {
      hint: 'run it again when that one has ended; a killed one is silent for 3 minutes first',
    })
  }
}

/** Bytes in the spool are not what was written. */
export class SpoolDamagedError extends IntegrityError {
  override readonly code = 'SPOOL_DAMAGED'
}

/** The repository cannot take a backup that waits: its run was given up there. */
export class SpoolFencedError extends GuardError {
  constructor(backup: string) {
    super('SPOOL_FENCED', `${backup} was given up in the repository while it was moved there`, {
      hint: 'its records are still in the spool; make a new backup',
    })
  }
}
