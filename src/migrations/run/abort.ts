import { asError, OpsError } from '../../core/errors.js'
import { abandonStep } from '../operations/abandon-step.js'
import { recordSteps, type RecordedStep } from '../plan/record-steps.js'
import { VirtualDatabase } from '../plan/virtual-database.js'
import type { MigrationRow, StepRow } from '../state/row.js'
import type { StateWriter } from '../state/state-writer.js'
import { abortSwap } from '../swap/abort-swap.js'
import { describeSwap } from '../swap/describe-swap.js'
import { MigrationUndecidedError } from './errors.js'
import { migrationFailure } from './failure.js'
import { dropIdleLedgers } from './idle-ledgers.js'
import type { MigrationResult, RunResult, StepResult } from './result.js'
import { undoSteps, type RevertJob } from './revert.js'
import { headOf, isSameFile, titleOf, type KnownMigration } from './select.js'
import { newRunId, type Session } from './session.js'
import { addEvent, stepContext } from './step-context.js'
import { requireWayBack } from './way-back.js'

export interface AbortJob {
  readonly session: Session
  readonly state: StateWriter
  /** The migration that was begun and not finished. */
  readonly row: MigrationRow
  /** Null: there is no file of it any more. */
  readonly file: KnownMigration | null
}

/** Takes back what was done of an unfinished migration; what it throws after its first write is in the result. */
export async function abortLocked(job: AbortJob): Promise<RunResult> {
  const { session, state, row, file } = job
  const { version, steps } = row
  const started = session.job.now()
  const from = headOf(state.rows)
  await requireDoneUndoable(job)
  const running = steps.at(-1)?.state === 'running' ? steps.at(-1) : undefined
  const step = running === undefined ? null : await unfinishedStep(job, running)
  const results: StepResult[] = []
  const undoing = { title: '' }
  let error: OpsError | null = null
  try {
    const { runId } = session
    await state.updateRow(version, (old) => ({
      ...old,
      runId,
      lockId: session.lock.id,
      attempt: old.attempt + 1,
    }))
    await addEvent({ session, state, version }, 'aborting', '')
    if (running !== undefined) {
      undoing.title = `clearing away ${running.title}`
      results.push(await abandon(job, running, step))
      await state.updateRow(version, (old) => ({ ...old, steps: old.steps.slice(0, -1) }))
    }
    const done = steps.filter(({ state: stepState }) => stepState === 'done')
    await undoSteps(revertJob(job), done, results, undoing)
    const finishedAt = session.job.now().toISOString()
    const reverted = { status: 'reverted', direction: 'down', steps: [], finishedAt, error: null } as const
    await state.updateRow(version, (old) => ({ ...old, ...reverted }))
    await dropIdleLedgers(session, state, version)
    await addEvent({ session, state, version }, 'aborted', results.flatMap(({ notes }) => notes).join('; '))
  } catch (thrown) {
    const title = undoing.title === '' ? null : undoing.title
    error = migrationFailure(asError(thrown), { session, file: file ?? row, step: title })
  }
  const ms = session.job.now().getTime() - started.getTime()
  return {
    ...{
      action: 'abort',
      runId: session.runId,
      from,
      to: headOf(state.rows),
      error,
      warnings: session.warnings,
    },
    migrations: [{ ...resultOf(row, results, error), ms }],
  }
}

/** What abort would do. */
export function planAbort(of: {
  readonly row: MigrationRow
  readonly file: KnownMigration | null
  readonly rows: readonly MigrationRow[]
}): RunResult {
  const { row, rows } = of
  const head = headOf(rows)
  const titles = row.steps
    .toReversed()
    .map(({ title, state }) => (state === 'running' ? `clear away ${title}` : `undo ${title}`))
  const steps = titles.map((title) => ({ ...NOTHING, title, state: 'planned' }) as const)
  return {
    ...{ action: 'abort', runId: newRunId(), from: head, to: head, error: null, warnings: [] },
    migrations: [{ ...resultOf(row, steps, null), status: 'planned' }],
  }
}

const NOTHING = { records: 0, embedded: 0, gapMs: null, notes: [] } as const

async function requireDoneUndoable(job: AbortJob): Promise<void> {
  const { session, state, row, file } = job
  const done = { ...row, steps: row.steps.filter(({ state: stepState }) => stepState === 'done') }
  await requireWayBack({
    job: session.job,
    migrations: [{ row: done, file, resumed: false }],
    // A way back of its own begins behind the last step, which this migration has not reached.
    ...{ restore: false, acceptDataLoss: false, byUndo: true },
    contextOf: (version, at) => stepContext(session, state, version, at),
  })
}

/** The step as the file has it; null: the file has changed, and the journal alone must do. */
async function unfinishedStep(
  { session, state, row, file }: AbortJob,
  running: StepRow,
): Promise<RecordedStep | null> {
  const context = stepContext(session, state, row.version, row.steps.length - 1)
  try {
    if (file === null) return null
    const earlier = row.steps
    const virtual = new VirtualDatabase(context)
    const steps = await recordSteps((migration) => file.definition.up(migration), {
      ...context,
      ...{ virtual, earlier, sameFile: isSameFile({ file, row }) },
    })
    return steps[row.steps.length - 1] ?? null
  } catch (error) {
    if (!(error instanceof OpsError)) throw error
    if (running.progress === null || describeSwap(running.progress) !== null) return null
    throw new MigrationUndecidedError(
      'HISTORY_CHANGED',
      `"${running.title}" of ${titleOf(row)} cannot be cleared away: ${error.message}`,
      { cause: error, hint: 'put the file back as it was when the step was begun, and abort again' },
    )
  }
}

async function abandon(
  { session, state, row }: AbortJob,
  running: StepRow,
  recorded: RecordedStep | null,
): Promise<StepResult> {
  const context = stepContext(session, state, row.version, row.steps.length - 1)
  const options = { acceptDataLoss: false }
  const notes =
    recorded !== null
      ? await abandonStep(recorded.step, context, options)
      : describeSwap(running.progress) === null
        ? []
        : await abortSwap(running.progress, context, options)
  return { ...NOTHING, title: `clear away ${running.title}`, state: 'done', notes }
}

function revertJob({ session, state, row, file }: AbortJob): RevertJob {
  const migration = { row, file, resumed: false }
  return { session, state, migration, restore: false, acceptDataLoss: false }
}

function resultOf(
  { version, name, backup }: MigrationRow,
  steps: readonly StepResult[],
  error: OpsError | null,
): MigrationResult {
  return {
    ...{ version, name, direction: 'down', resumed: true, ms: 0, steps, backup },
    status: error === null ? 'success' : 'error',
    error: error && { code: error.code, message: error.message, hint: error.hint ?? null },
  }
}
