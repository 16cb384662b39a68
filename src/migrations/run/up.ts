import { asError, GuardError, type OpsError } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import { buildPlan } from '../plan/build-plan.js'
import { requirePlan } from '../plan/compare-plan.js'
import type { MigrationPlan } from '../plan/migration-plan.js'
import { readState, type StateContents } from '../state/state-store.js'
import { applyMigration, type Applied } from './apply.js'
import { backupNeeded, ownNames } from './back-up.js'
import { requireEnvironment, rowsHere } from './environment.js'
import { migrationFailure } from './failure.js'
import { loadKnown } from './load-known.js'
import type { MigrationJob } from './migration-job.js'
import { requireOrder } from './order.js'
import type { MigrationResult, RunResult } from './result.js'
import { headOf, selectPending, titleOf, type KnownMigration, type Selection } from './select.js'
import { newRunId, whileLocked, type Session } from './session.js'
import { warnOfSum } from './sum-warning.js'
import { unlessUnderWay } from './under-way.js'

/** Records of each collection that functions are tried on before anything is written. */
const SAMPLE = 500

export interface UpJob extends MigrationJob {
  /** At most so many migrations; null: all. */
  readonly limit: number | null
  /** Up to and including this version; null: the newest. */
  readonly to: string | null
  /** Refuses when versions, checksums or collections are not those of this plan any more. */
  readonly plan: MigrationPlan | null
  /** Records or collections may be lost for good. */
  readonly allowDestructive: boolean
  /** `non-linear`: also a migration older than the newest applied one, if it provably touches nothing of those. */
  readonly execOrder: 'linear' | 'non-linear'
  /** The operator answers for a way back. */
  readonly skipBackup: boolean
  /** Takes a database that has collections and no history as it is, and applies every migration to it. */
  readonly adopt: boolean
}

/**
 * Applies pending migrations, in order. An interrupted or failed one is continued first. At head nothing is
 * locked or written, and at most three requests are sent.
 *
 * Rejects before anything has changed with: MigrationDriftError (3), MigrationUndecidedError (17), a GuardError
 * `DESTRUCTIVE`, `BACKUP_NEEDED`, `NO_HISTORY`, `ENVIRONMENT_DIFFERS` or `PLAN_OUTDATED` (15), a CheckFailedError
 * (15), LockHeldError (11), StateUnsupportedError (16), MigrationNotFoundError (10), or the errors of the files (2).
 */
export async function up(job: UpJob): Promise<RunResult> {
  const files = await loadKnown(job)
  const warned = await warnOfSum(job, files)
  const result = await upFiles(job, files)
  return { ...result, warnings: [...warned, ...result.warnings] }
}

async function upFiles(job: UpJob, files: readonly KnownMigration[]): Promise<RunResult> {
  const runId = newRunId()
  const contents = await readState(job, job.signal)
  const selection = await unlessUnderWay(() => selectFor(job, files, contents))
  if (selection?.selected.length === 0) return atHead(job, runId, selection)
  await requireHistory(job, contents)
  return whileLocked(job, { runId, phase: 'up' }, (session) => upLocked(job, files, session))
}

/** What was read before the lock may have been changed by whoever held it. */
async function upLocked(job: UpJob, files: readonly KnownMigration[], session: Session): Promise<RunResult> {
  const contents = await readState(job, job.signal)
  const selection = selectFor(job, files, contents)
  if (selection.selected.length === 0) return atHead(job, session.runId, selection)
  await requireHistory(job, contents)
  const built = await buildPlan({ ...job, ...session, sample: SAMPLE, contents, selection })
  requireOrder({ ...job, rows: contents.rows, selection, recorded: built.recorded })
  await requireApproval(job, built.plan, session)
  const state = await session.state()
  if (job.environment !== null && state.environment === null) await state.setEnvironment(job.environment)
  const { atLeast } = await job.api.fingerprint(session.signal)
  const migrations: MigrationResult[] = []
  let error: RunResult['error'] = null
  for (const migration of selection.selected) {
    if (error !== null) {
      migrations.push(notExecuted(migration.file))
      continue
    }
    const applying = { session, state, migration, serverVersion: atLeast, skipBackup: job.skipBackup }
    const applied = await applyMigration(applying).catch((thrown: unknown) => {
      // What is found before the first write of the first one: nothing has changed at all.
      if (migrations.length === 0) throw thrown
      return notBegun(
        migration.file,
        migrationFailure(asError(thrown), { session, file: migration.file, step: null }),
      )
    })
    migrations.push(applied.result)
    error = applied.error
  }
  return {
    ...{ action: 'up', runId: session.runId, from: selection.head, to: headOf(state.rows) },
    ...{ migrations, error, warnings: session.warnings },
  }
}

function selectFor(job: UpJob, files: readonly KnownMigration[], contents: StateContents): Selection {
  requireEnvironment(job.environment, contents)
  const rows = rowsHere(contents, files, job.environment)
  const selection = selectPending({ files, rows, limit: job.limit, to: job.to })
  requireOrder({ ...job, rows: contents.rows, selection, recorded: null })
  return selection
}

/** Somebody has filled this database without migrations: which of them it has already, nobody knows. */
async function requireHistory(job: UpJob, contents: StateContents): Promise<void> {
  if (contents.exists || job.adopt) return
  const names = await ownNames(job, job.signal)
  if (names.length === 0) return
  const some = names.slice(0, 3).join(', ')
  throw new GuardError(
    'NO_HISTORY',
    `the database ${job.database} has ${plural(names.length, 'collection')} (${some}) and no history of migrations`,
    {
      hint:
        'say which migrations it has already with "chroma-ops migrate baseline <version>", ' +
        'or with --adopt that it has none of them',
    },
  )
}

/** What the plan shows must be allowed, and possible, before the first migration begins. */
async function requireApproval(job: UpJob, plan: MigrationPlan, session: Session): Promise<void> {
  if (job.plan !== null) session.warnings.push(...requirePlan(job.plan, plan))
  if (plan.destructive.length > 0 && !job.allowDestructive)
    throw new GuardError('DESTRUCTIVE', plan.destructive.map(({ message }) => message).join('; '), {
      hint: 'look at "chroma-ops migrate plan", and allow it with --allow-destructive',
    })
  if (!plan.backup.needed) return
  if (job.backup === null) throw backupNeeded(plan.backup.versions.join(', '))
  await job.backup.check(session.signal)
}

function atHead(job: UpJob, runId: string, { head, future }: Selection): RunResult {
  const warnings = future.map((row) => ({
    code: 'FUTURE_VERSION',
    message: `${titleOf(row)} is applied and newer than every file here`,
  }))
  for (const warning of warnings) job.progress.warn(warning)
  return { action: 'up', runId, from: head, to: head, migrations: [], error: null, warnings }
}

/** It was refused before its first write, behind others that are applied. */
function notBegun(file: KnownMigration, error: OpsError): Applied {
  const { code, message, hint = null } = error
  return { error, result: { ...notExecuted(file), status: 'error', error: { code, message, hint } } }
}

function notExecuted({ version, name }: KnownMigration): MigrationResult {
  const nothing = { resumed: false, ms: 0, steps: [], backup: null, error: null }
  return { version, name, direction: 'up', status: 'notExecuted', ...nothing }
}
