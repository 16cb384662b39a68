import { GuardError } from '../../core/errors.js'
import type { MigrationRow } from '../state/row.js'
import type { StateContents } from '../state/state-store.js'
import type { KnownMigration } from './select.js'

/** Throws a GuardError `ENVIRONMENT_DIFFERS` (15): the database is another one than the run believes. */
export function requireEnvironment(environment: string | null, contents: StateContents): void {
  if (environment === null || contents.environment === null || environment === contents.environment) return
  throw new GuardError(
    'ENVIRONMENT_DIFFERS',
    `this database is stamped as ${contents.environment}, and the run is for ${environment}`,
    { hint: `is it the right server? if it is, run it with --env ${contents.environment}` },
  )
}

/** Throws a GuardError `PRODUCTION` (15) for what is not done to a production database by accident. */
export function refuseProduction(action: string, environment: string | null, allowed: boolean): void {
  if (allowed || environment?.toLowerCase() !== 'production') return
  throw new GuardError(
    'PRODUCTION',
    `this database is stamped as production, and ${action} changes it back`,
    {
      hint: 'when you mean it, add --yes-production',
    },
  )
}

/** Whether a migration with this `env` is not for the environment. */
export function isForeignEnvironment(
  wanted: readonly string[] | undefined,
  environment: string | null,
): boolean {
  return wanted !== undefined && (environment === null || !wanted.includes(environment))
}

/**
 * The rows without those that were skipped and are for this environment after all: nobody had said which one it is,
 * or the file names others now. They are to be applied.
 */
export function rowsHere(
  contents: StateContents,
  files: readonly KnownMigration[],
  environment: string | null,
): readonly MigrationRow[] {
  const known = new Map(files.map(({ version, definition }) => [version, definition]))
  return contents.rows.filter(({ version, status }) => {
    const definition = known.get(version)
    if (status !== 'skipped' || definition === undefined) return true
    return isForeignEnvironment(definition.env, contents.environment ?? environment)
  })
}
