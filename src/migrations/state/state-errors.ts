import { GuardError, IntegrityError, OpsError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import { STATE_NAME } from '../../core/migration-keys.js'

export { StateUnsupportedError } from './lock-errors.js'

/** Something else has the name of the state. */
export class StateForeignError extends GuardError {
  constructor() {
    super('MIGRATION_STATE_FOREIGN', `the collection ${STATE_NAME} is not the state of chroma-ops`, {
      hint:
        'an application may have made it again with get_or_create after the true one was lost: restore it from a ' +
        'backup, or rename that collection and record what is applied with "chroma-ops migrate baseline"',
    })
  }
}

/** The history does not read as it was written. */
export class StateDamagedError extends IntegrityError {
  override readonly code = 'MIGRATION_STATE_DAMAGED'

  constructor(id: string, what: string, cause?: unknown) {
    super(`the record ${id} of ${STATE_NAME} ${what}`, {
      cause,
      hint: `restore it: chroma-ops restore latest --collection ${STATE_NAME} --mode replace`,
    })
  }
}

/** Another run has written an event that this one was about to write: two of them are at work. */
export class StateConflictError extends OpsError {
  override readonly code = 'MIGRATION_STATE_CONFLICT'
  override readonly exitCode = ExitCode.locked

  constructor(id: string) {
    super(`another run has written the event ${id} at the same time`, {
      hint: 'see what it has done with "chroma-ops migrate status", then run it again',
    })
  }
}
