import { GuardError } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import { plan } from '../plan/plan.js'
import { readState, type StateContents } from '../state/state-store.js'
import { requireEnvironment, rowsHere } from './environment.js'
import { MigrationDriftError, MigrationUndecidedError } from './errors.js'
import { loadKnown } from './load-known.js'
import type { MigrationJob } from './migration-job.js'
import type { RunResult } from './result.js'
import { isUnfinished, selectPending, titleOf, type KnownMigration, type Selection } from './select.js'
import { up } from './up.js'

export type EnsureMode = 'off' | 'verify' | 'apply'

export interface EnsureJob extends MigrationJob {
  readonly mode: EnsureMode
  readonly allowFuture: boolean
  /** Records of a collection that a migration may read while an application waits for it. */
  readonly maxStartupRecords: number
}

/**
 * What an application asks for at its start. Null: nothing was applied. `verify` only reads: rejects with a
 * {@link MigrationDriftError} (3) or a {@link MigrationUndecidedError} (17) unless everything is applied as the
 * files say. `apply` rejects with a GuardError `NOT_AT_STARTUP` (15) for what nobody should wait for, and with the
 * error of a migration that failed.
 */
export async function ensure(job: EnsureJob): Promise<RunResult | null> {
  if (job.mode === 'off') return null
  const files = await loadKnown(job)
  const contents = await readState(job, job.signal)
  requireEnvironment(job.environment, contents)
  const rows = rowsHere(contents, files, job.environment)
  const selection = selectPending({ files, rows, limit: null, to: null })
  if (!job.allowFuture) refuseFuture(selection)
  if (selection.selected.length === 0) return null
  if (job.mode === 'verify') throw pendingError(selection, contents)
  await refuseHeavy(job, files, selection)
  const result = await up({
    ...job,
    ...{ limit: null, to: null, plan: null, allowDestructive: false },
    ...{ execOrder: 'linear', skipBackup: false, adopt: false },
  })
  if (result.error !== null) throw result.error
  return result
}

function refuseFuture({ future }: Selection): void {
  const [first] = future
  if (first === undefined) return
  throw new MigrationDriftError(
    'FUTURE_VERSION',
    `${titleOf(first)} is applied to this database, and newer than every migration of this application`,
    {
      problems: future.map(titleOf),
      hint: 'start the newer release; while both run side by side, set allowFuture',
    },
  )
}

function pendingError({ selected }: Selection, { rows }: StateContents): Error {
  const unfinished = rows.find(isUnfinished)
  if (unfinished !== undefined)
    return new MigrationUndecidedError(
      'MIGRATION_INTERRUPTED',
      `migration ${titleOf(unfinished)} was begun and is not finished`,
      { hint: 'if nobody is at it: "chroma-ops migrate up" goes on where it stopped' },
    )
  const titles = selected.map(({ file }) => titleOf(file))
  return new MigrationDriftError('MIGRATIONS_PENDING', `not applied yet: ${titles.join(', ')}`, {
    problems: titles,
    hint: 'run "chroma-ops migrate up" before this release is started',
  })
}

async function refuseHeavy(
  job: EnsureJob,
  files: readonly KnownMigration[],
  { selected }: Selection,
): Promise<void> {
  const heavy = selected.find(({ file }) => file.definition.startup === 'never')
  if (heavy !== undefined) throw notAtStartup(`${titleOf(heavy.file)} says that no start waits for it`)
  const { migrations } = await plan({
    ...job,
    ...{
      migrations: files,
      limit: null,
      to: null,
      execOrder: 'linear',
      skipBackup: false,
      adopt: true,
      sample: 0,
    },
  })
  for (const { version, name, steps } of migrations)
    for (const { records, title } of steps)
      if (records !== null && records > job.maxStartupRecords)
        throw notAtStartup(`${titleOf({ version, name })}, "${title}", reads ${plural(records, 'record')}`)
}

function notAtStartup(why: string): GuardError {
  return new GuardError('NOT_AT_STARTUP', `${why}: an application does not do that at its start`, {
    hint: 'run "chroma-ops migrate up" before the release is started, and have the application verify it',
  })
}
