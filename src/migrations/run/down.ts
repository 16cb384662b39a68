import { loadKnown } from './load-known.js'
import { readState, type StateContents } from '../state/state-store.js'
import { refuseProduction, requireEnvironment } from './environment.js'
import type { MigrationJob } from './migration-job.js'
import type { MigrationResult, RunResult } from './result.js'
import { revertMigration } from './revert.js'
import { refuseFuture, selectApplied, type RevertedMigration } from './select-down.js'
import { headOf, type KnownMigration } from './select.js'
import { newRunId, whileLocked, withScratch, type Session } from './session.js'
import { lookingContext, stepContext } from './step-context.js'
import { unlessUnderWay } from './under-way.js'
import { up } from './up.js'
import { requireWayBack } from './way-back.js'

export interface DownJob extends MigrationJob {
  /** How many, newest first. Ignored with `to`. */
  readonly count: number
  /** Reverts every migration above this version, which stays; `0` for all. Null: `count`. */
  readonly to: string | null
  /** Brings back the backup that was made before what cannot be undone. */
  readonly restore: boolean
  /** Records written since the cutover that cannot be carried back may be lost. */
  readonly acceptDataLoss: boolean
  /** The database is stamped as production, and this is meant all the same. */
  readonly allowProduction: boolean
  /** Says what would be done; writes nothing, takes no lock. */
  readonly dryRun: boolean
}

/**
 * Reverts applied migrations: by the definition's `down`, else by undoing its steps in reverse order.
 *
 * Rejects before anything has changed with an IrreversibleError (15), a GuardError `PRODUCTION`, `DATA_LOSS` or
 * `BACKUP_NEEDED` (15), MigrationUndecidedError (17), MigrationNotFoundError (10), LockHeldError (11).
 */
export async function down(job: DownJob): Promise<RunResult> {
  const files = await loadKnown(job)
  const runId = newRunId()
  const contents = await readState(job, job.signal)
  const chosen = () => choose(job, files, contents)
  // A dry run waits for nobody, and is told as it is.
  const migrations = await (job.dryRun ? chosen() : unlessUnderWay(chosen))
  if (migrations !== null && (job.dryRun || migrations.length === 0)) {
    await withScratch(job, (scratch) =>
      requireWayBack({
        ...{ job, migrations, restore: job.restore, acceptDataLoss: job.acceptDataLoss },
        contextOf: (version) => lookingContext(job, { ...scratch, version, runId }),
      }),
    )
    return planned(job, runId, contents, migrations)
  }
  return whileLocked(job, { runId, phase: 'down' }, (session) => downLocked(job, files, session))
}

/** `down` of the newest `count` migrations, and `up` of the same. Both halves have their results. */
export async function redo(job: DownJob & { readonly skipBackup: boolean }): Promise<RunResult> {
  const reverted = await down(job)
  const versions = reverted.migrations.map(({ version }) => version).sort()
  const last = versions.at(-1)
  if (reverted.error !== null || last === undefined) return { ...reverted, action: 'redo' }
  if (job.dryRun) return { ...reverted, ...forthAgain(reverted) }
  const applied = await up({
    ...job,
    ...{ limit: null, to: last, plan: null, allowDestructive: true, execOrder: 'linear', adopt: true },
  })
  return {
    ...applied,
    action: 'redo',
    from: reverted.from,
    migrations: [...reverted.migrations, ...applied.migrations],
    warnings: [...reverted.warnings, ...applied.warnings],
  }
}

/** What the other half of a dry `redo` would be. */
function forthAgain({ from, migrations }: RunResult): Pick<RunResult, 'action' | 'to' | 'migrations'> {
  const forth = migrations.map((migration): MigrationResult => ({
    ...migration,
    ...{ direction: 'up', resumed: false, steps: [], backup: null },
  }))
  return { action: 'redo', to: from, migrations: [...migrations, ...forth.reverse()] }
}

async function downLocked(
  job: DownJob,
  files: readonly KnownMigration[],
  session: Session,
): Promise<RunResult> {
  const contents = await readState(job, job.signal)
  const chosen = await choose(job, files, contents)
  const { restore, acceptDataLoss } = job
  const state = await session.state()
  await requireWayBack({
    ...{ job, migrations: chosen, restore, acceptDataLoss },
    contextOf: (version, at) => stepContext(session, state, version, at),
  })
  const migrations: MigrationResult[] = []
  let error: RunResult['error'] = null
  for (const migration of chosen) {
    if (error !== null) {
      migrations.push(resultOf(migration, 'notExecuted'))
      continue
    }
    const reverted = await revertMigration({ session, state, migration, restore, acceptDataLoss })
    migrations.push(reverted.result)
    error = reverted.error
  }
  return {
    ...{ action: 'down', runId: session.runId, from: headOf(contents.rows), to: headOf(state.rows) },
    ...{ migrations, error, warnings: session.warnings },
  }
}

async function choose(
  job: DownJob,
  files: readonly KnownMigration[],
  contents: StateContents,
): Promise<readonly RevertedMigration[]> {
  requireEnvironment(job.environment, contents)
  refuseProduction('down', contents.environment ?? job.environment, job.allowProduction)
  const chosen = selectApplied({ ...job, files, rows: contents.rows })
  if (!job.restore) refuseFuture(files, chosen)
  return chosen
}

function planned(
  job: DownJob,
  runId: string,
  contents: StateContents,
  migrations: readonly RevertedMigration[],
): RunResult {
  const head = headOf(contents.rows)
  const chosen = new Set(migrations.map(({ row }) => row.version))
  return {
    ...{ action: 'down', runId, from: head, error: null, warnings: [] },
    to: job.dryRun ? headOf(contents.rows.filter(({ version }) => !chosen.has(version))) : head,
    migrations: migrations.map((migration) => resultOf(migration, 'planned')),
  }
}

function resultOf(
  { row, file, resumed }: RevertedMigration,
  status: 'notExecuted' | 'planned',
): MigrationResult {
  const own = file?.definition.down !== undefined
  const steps = own ? ['down() of the migration'] : row.steps.map(({ title }) => `undo ${title}`).reverse()
  return {
    ...{ version: row.version, name: row.name, direction: 'down', status, resumed, ms: 0 },
    ...{ backup: row.backup, error: null },
    steps: steps.map((title) => ({
      title,
      state: 'planned',
      records: 0,
      embedded: 0,
      gapMs: null,
      notes: [],
    })),
  }
}
