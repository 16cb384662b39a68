import { plan } from '../plan/plan.js'
import { readState } from '../state/state-store.js'
import type { MigrationRow } from '../state/row.js'
import { abortLocked, planAbort } from './abort.js'
import { down } from './down.js'
import { MigrationUndecidedError } from './errors.js'
import { loadKnown } from './load-known.js'
import type { MigrationJob } from './migration-job.js'
import type { RunResult } from './result.js'
import { headOf, isSameFile, isUnfinished, titleOf, type KnownMigration } from './select.js'
import { newRunId, whileLocked } from './session.js'
import { up } from './up.js'

/**
 * Continues the one migration that was begun and not finished, up or down, and no other. Rejects with a
 * MigrationUndecidedError `HISTORY_CHANGED` (17) when a step that is done reads otherwise now, with a GuardError
 * `DESTRUCTIVE` (15) when the file has changed and what is left of it loses something. With `dryRun` it says
 * what is done and what is left, and writes nothing.
 */
export async function resume(job: MigrationJob & { readonly dryRun?: boolean }): Promise<RunResult> {
  const { rows } = await readState(job, job.signal)
  const row = rows.find(isUnfinished)
  if (row === undefined) return nothingToDo('resume', rows)
  const { dryRun = false } = job
  const goOn = dryRun ? planResume : resumeUp
  const result = await (row.direction === 'down' ? resumeDown({ ...job, dryRun }, row) : goOn(job, row))
  return { ...result, action: 'resume' }
}

/**
 * Gives the one unfinished migration up: what it has built beside the data is dropped, a swap that was begun
 * is taken back, and the steps that were finished are undone. Rejects with an IrreversibleError (15) when one of
 * those cannot be undone; nothing has changed then.
 */
export async function abort(job: MigrationJob & { readonly dryRun: boolean }): Promise<RunResult> {
  const { rows } = await readState(job, job.signal)
  const row = rows.find(isUnfinished)
  if (row === undefined) return nothingToDo('abort', rows)
  const file = await fileOf(job, row)
  if (job.dryRun) return planAbort({ row, file, rows: refuseDown(row, rows) })
  return whileLocked(job, { runId: newRunId(), phase: 'abort' }, async (session) => {
    const state = await session.state()
    const now = state.rows.find(isUnfinished)
    if (now === undefined) return nothingToDo('abort', state.rows)
    refuseDown(now, state.rows)
    return abortLocked({ session, state, row: now, file: await fileOf(job, now) })
  })
}

/** What was begun under these flags goes on under them. */
const BEGUN = { limit: 1, to: null, execOrder: 'linear', skipBackup: false, adopt: true } as const

async function resumeUp(job: MigrationJob, row: MigrationRow): Promise<RunResult> {
  // What has come into the file since then, nobody has allowed.
  const allowDestructive = isSameFile({ row, file: await fileOf(job, row) })
  return up({ ...job, ...BEGUN, plan: null, allowDestructive })
}

/** What is left of the migration that was begun. */
async function planResume(job: MigrationJob): Promise<RunResult> {
  const { migrations, from, to, backup } = await plan({ ...job, ...BEGUN, sample: SAMPLE })
  const warnings = backup.problem === null ? [] : [{ code: 'BACKUP_NEEDED', message: backup.problem }]
  return {
    ...{ action: 'resume', runId: newRunId(), from, to, error: null, warnings },
    migrations: migrations.map(({ version, name, action, steps }) => ({
      ...{ version, name, direction: 'up', status: 'planned', resumed: action === 'resume' },
      ...{ ms: 0, backup: null, error: null },
      steps: steps.map(({ title, done, records, notes }) => ({
        ...{ title, records: done ? 0 : (records ?? 0), notes, embedded: 0, gapMs: null },
        state: done ? 'earlier' : 'planned',
      })),
    })),
  }
}

const SAMPLE = 500

async function resumeDown(
  job: MigrationJob & { readonly dryRun: boolean },
  row: MigrationRow,
): Promise<RunResult> {
  const file = await fileOf(job, row)
  const ownDown = file?.definition.down !== undefined
  const restore = !ownDown && row.backup !== null && row.steps.some(({ undo }) => undo === null)
  return down({
    ...job,
    ...{ count: 0, to: null, restore, acceptDataLoss: false, allowProduction: true },
  })
}

async function fileOf(job: MigrationJob, row: MigrationRow): Promise<KnownMigration | null> {
  return (await loadKnown(job)).find(({ version }) => version === row.version) ?? null
}

function refuseDown(row: MigrationRow, rows: readonly MigrationRow[]): readonly MigrationRow[] {
  if (row.direction === 'up') return rows
  throw new MigrationUndecidedError(
    'MIGRATION_INTERRUPTED',
    `migration ${titleOf(row)} was being reverted: there is nothing to abort`,
    { hint: 'finish that with "chroma-ops migrate resume"' },
  )
}

function nothingToDo(action: RunResult['action'], rows: readonly MigrationRow[]): RunResult {
  const head = headOf(rows)
  return { action, runId: newRunId(), from: head, to: head, migrations: [], error: null, warnings: [] }
}
