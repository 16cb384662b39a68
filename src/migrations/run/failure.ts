import path from 'node:path'
import { isNativeError } from 'node:util/types'

import { CollectionNotFoundError } from '../../chroma/errors.js'
import { AbortedError, asError, OpsError, UsageError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import { maskSecrets } from '../../core/mask-secrets.js'
import type { Warning } from '../../core/progress.js'
import { MigrationError } from '../migration-error.js'
import { LockLostError } from '../state/lock-errors.js'
import {
  CheckFailedError,
  ContextMisusedError,
  MigrationFailedError,
  MigrationRefusedError,
} from './errors.js'
import { titleOf, type KnownMigration } from './select.js'
import type { Direction } from './migration-job.js'
import type { Session } from './session.js'

/** Why a migration stopped, with what to do next. */
export function migrationFailure(
  error: Error,
  of: {
    readonly session: Session
    readonly file: Pick<KnownMigration, 'version' | 'name'>
    /** `step 2 ("docs copyAndSwap")`; null: between steps. */
    readonly step: string | null
    /** Default `up`. */
    readonly direction?: Direction
  },
): OpsError {
  const { session, file, step, direction = 'up' } = of
  if (session.lock.lost.aborted) return lockLost(session)
  const where = step === null ? '' : ` at ${step}`
  if (session.job.signal.aborted || error instanceof AbortedError)
    return stopped(titleOf(file), where, session, { cause: error, hint: GOES_ON[direction] })
  if (isTold(error)) return error
  const place = placeOf(error, session.job.directory)
  const known = error instanceof OpsError
  const message = known ? error.message : `${error.name}: ${error.message}`
  return new MigrationFailedError(
    `migration ${titleOf(file)} failed${where}: ${maskSecrets(message)}${place === null ? '' : ` (${place})`}`,
    {
      cause: error,
      exitCode: known ? error.exitCode : ExitCode.failed,
      hint: [known ? error.hint : undefined, `when the cause is mended, ${GOES_ON[direction]}`]
        .filter((part) => part !== undefined)
        .join('; '),
    },
  )
}

/**
 * The same failure with its migration and what is next, when it comes before the first write of it: from its
 * `check`, or from looking at what it would do. Code and exit code stay. What tells of a migration already, or
 * has nothing to do with one, such as a server that is away, is given back as it is.
 */
export function refusedBefore(
  thrown: unknown,
  of: { readonly file: KnownMigration; readonly directory: string; readonly at: 'check' | 'up' },
): Error {
  const error = asError(thrown)
  const known = error instanceof OpsError
  if (known && !isOfMigration(error)) return error
  const { file, directory, at } = of
  const place = placeOf(error, directory)
  const said = known || at === 'check' ? error.message : `${error.name}: ${error.message}`
  const what = at === 'check' ? 'the check of migration' : 'migration'
  const fails = at === 'check' ? 'failed' : 'cannot be applied'
  const where = place === null ? '' : ` (${place})`
  const message = `${what} ${titleOf(file)} (${file.file}) ${fails}: ${maskSecrets(said)}${where}`
  const hint = [known ? error.hint : undefined, AGAIN].filter((part) => part !== undefined).join('; ')
  const details = { hint, cause: error }
  if (known) return new MigrationRefusedError(error, message, details)
  return at === 'check' ? new CheckFailedError(message, details) : new MigrationFailedError(message, details)
}

/** By {@link refusedBefore}. */
function isTold(error: Error): error is OpsError {
  return (
    error instanceof MigrationRefusedError ||
    error instanceof MigrationFailedError ||
    error instanceof CheckFailedError
  )
}

/** What the definition, or the data that it works on, is to blame for. */
function isOfMigration(error: OpsError): boolean {
  return (
    error instanceof CheckFailedError ||
    error instanceof CollectionNotFoundError ||
    error instanceof MigrationError ||
    error instanceof ContextMisusedError ||
    error instanceof UsageError
  )
}

const AGAIN =
  'this has changed nothing; mend the data or the migration, look with "chroma-ops migrate plan", ' +
  'and run "chroma-ops migrate up"'

/** What is done stays done; mended or not, the same command goes on behind it. */
const GOES_ON: Readonly<Record<Direction, string>> = {
  up: '"chroma-ops migrate up" goes on where it stopped; "chroma-ops migrate abort" takes back what was done',
  down: '"chroma-ops migrate resume" goes on with the way back where it stopped',
}

function stopped(
  title: string,
  where: string,
  session: Session,
  details: { readonly cause: Error; readonly hint: string },
): OpsError {
  const reason: unknown = session.job.signal.reason
  const exitCode = reason instanceof OpsError ? reason.exitCode : ExitCode.interrupted
  const message = `migration ${title} was stopped${where}, at a safe place`
  return new MigrationFailedError(message, { ...details, exitCode })
}

function lockLost({ lock }: Session): OpsError {
  const reason: unknown = lock.lost.reason
  return reason instanceof OpsError ? reason : new LockLostError('another run has taken it over')
}

/** `00007_docs.ts:12:5`, the innermost place in a file of the migrations; null: none is known. */
function placeOf(error: Error, directory: string): string | null {
  const folder = path.resolve(directory)
  for (let at: unknown = error; isNativeError(at); at = at.cause) {
    const line = (at.stack ?? '').split('\n').find((frame) => frame.includes(folder + path.sep))
    const place = line === undefined ? undefined : /([^/\\]+:\d+:\d+)\)?$/.exec(line.trim())?.[1]
    if (place !== undefined) return place
  }
  return null
}

export function notRecorded(version: string, error: Error): Warning {
  return {
    code: 'STOP_NOT_RECORDED',
    message: `that ${version} stopped could not be recorded (${error.message}): the next run finds it out by itself`,
  }
}
