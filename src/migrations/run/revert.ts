import { asError, type OpsError } from '../../core/errors.js'
import { undoStep } from '../operations/undo-step.js'
import { takeFingerprints } from '../state/fingerprints.js'
import type { MigrationRow, StepRow } from '../state/row.js'
import type { StateWriter } from '../state/state-writer.js'
import { backupNeeded } from './back-up.js'
import { runWithContext } from './context.js'
import { StepDoer } from './do-steps.js'
import { migrationFailure, notRecorded } from './failure.js'
import type { MigrationResult, StepResult } from './result.js'
import type { RevertedMigration } from './select-down.js'
import { isSameFile } from './select.js'
import type { Session } from './session.js'
import { addEvent, stepContext } from './step-context.js'
import { namedCollections } from './touched.js'
import { stepDowns } from './way-back.js'

export interface RevertJob {
  readonly session: Session
  readonly state: StateWriter
  readonly migration: RevertedMigration
  readonly restore: boolean
  readonly acceptDataLoss: boolean
}

export interface Reverted {
  readonly result: MigrationResult
  /** Null: it is reverted. */
  readonly error: OpsError | null
}

/** Reverts one migration, or what is left to be reverted of it. What it throws is in the result. */
export async function revertMigration(job: RevertJob): Promise<Reverted> {
  const { session, state, migration } = job
  const { row, resumed } = migration
  const { version, name } = row
  const { job: run } = session
  const started = run.now()
  run.events.started?.({ version, name, direction: 'down' })
  const results: StepResult[] = []
  let error: OpsError | null = null
  const undoing = { title: '' }
  try {
    const names = await (row.status === 'skipped' ? noNames() : revert(job, results, undoing))
    await end(job, names)
  } catch (thrown) {
    const step = undoing.title === '' ? null : undoing.title
    error = migrationFailure(asError(thrown), { session, file: row, step, direction: 'down' })
    await markStopped(job, error)
  }
  const ms = run.now().getTime() - started.getTime()
  run.events.finished?.({ version, status: state.row(version)?.status ?? 'reverted', ms })
  return {
    error,
    result: {
      ...{ version, name, direction: 'down', resumed, ms, steps: results, backup: row.backup },
      status: error === null ? 'success' : 'error',
      error: error && { code: error.code, message: error.message, hint: error.hint ?? null },
    },
  }
}

async function noNames(): Promise<readonly string[]> {
  return []
}

/** Gives the names of the collections that were touched. */
async function revert(
  job: RevertJob,
  results: StepResult[],
  undoing: { title: string },
): Promise<readonly string[]> {
  const { session, state, migration, restore } = job
  const { row, file, resumed } = migration
  const { version } = row
  const definition = restore || file?.definition.down === undefined ? null : file.definition
  // The steps of `up` are not needed when the migration knows its own way back.
  const steps = definition === null || resumed ? row.steps : []
  await state.updateRow(version, (old) => ({ ...begun(session, old), steps }))
  await addEvent(
    { ...job, version },
    'reverting',
    restore ? 'by its backup' : definition === null ? 'by undoing its steps' : 'by its down',
  )
  if (definition === null) {
    await undoSteps(job, steps, results, undoing)
    return [...row.fingerprints.map(({ name }) => name), ...(restore ? restoredNames(job) : [])]
  }
  const doer = new StepDoer({
    ...{
      session,
      state,
      version,
      direction: 'down',
      earlier: steps,
      sameFile: isSameFile(migration),
      foreseen: [],
      backup: null,
      backsUp: false,
    },
  })
  try {
    await runWithContext((context) => definition.down?.(context), doer)
  } finally {
    results.push(...doer.results)
  }
  return [...row.fingerprints.map(({ name }) => name), ...namedCollections(doer.steps)]
}

/** Collections from the backup are others than those that earlier migrations have left, and as good. */
function restoredNames({ state, migration }: RevertJob): readonly string[] {
  const left = new Set(state.rows.flatMap(({ fingerprints }) => fingerprints.map(({ name }) => name)))
  return (migration.row.backup?.collections ?? []).filter((name) => left.has(name))
}

/** From the last step to the first; a step that is undone is taken out of the row. */
export async function undoSteps(
  job: RevertJob,
  steps: readonly StepRow[],
  results: StepResult[],
  undoing: { title: string },
): Promise<void> {
  const { session, state, migration, restore, acceptDataLoss } = job
  const { row } = migration
  const { version } = row
  const downs = await stepDowns(stepContext(session, state, version, 0), migration, steps)
  for (let at = steps.length - 1; at >= 0; at--) {
    const step = steps[at]
    if (step === undefined) continue
    const title = `undo ${step.title}`
    undoing.title = `${title} (step ${at + 1})`
    session.lock.phase(`${version}: ${title}`)
    session.job.events.step?.({
      version,
      title,
      state: 'started',
      number: steps.length - at,
      total: steps.length,
    })
    if (restore && row.backup?.beforeStep === at + 1) {
      results.push(await restoreBackup(job, title))
    } else if (step.undo === null) {
      results.push({
        ...NOTHING,
        title,
        notes: ['cannot be undone; the backup brings back what was there before'],
      })
    } else {
      const { records, embedded, gapMs, notes } = await undoStep(
        step.undo,
        stepContext(session, state, version, at),
        { acceptDataLoss, carry: true, down: (name) => downs.get(name) ?? null },
      )
      results.push({ title, state: 'done', records, embedded, gapMs, notes })
    }
    await state.updateRow(version, (old) => ({ ...old, steps: old.steps.slice(0, at) }))
    await addEvent(
      { session, state, version },
      'undone',
      [step.title, ...(results.at(-1)?.notes ?? [])].join('; '),
    )
    session.job.events.step?.({
      version,
      title,
      state: 'done',
      number: steps.length - at,
      total: steps.length,
    })
  }
  undoing.title = ''
}

const NOTHING = { state: 'done', records: 0, embedded: 0, gapMs: null } as const

async function restoreBackup({ session, migration }: RevertJob, title: string): Promise<StepResult> {
  const { job, signal, lock } = session
  const { backup, version } = migration.row
  if (job.backup === null || backup === null) throw backupNeeded(version)
  const { tenant, database } = job
  for (const name of backup.collections) {
    await lock.check()
    await job.backup.restore(backup, { tenant, database, name }, signal)
  }
  return {
    ...NOTHING,
    title,
    notes: [`restored ${backup.collections.join(', ')} from the backup ${backup.id}`],
  }
}

function begun({ job, runId, lock }: Session, old: MigrationRow): Omit<MigrationRow, 'steps'> {
  return {
    ...old,
    status: 'running',
    direction: 'down',
    attempt: old.attempt + 1,
    ...{ runId, lockId: lock.id, actor: job.actor, toolVersion: job.toolVersion },
    startedAt: job.now().toISOString(),
    finishedAt: null,
    error: null,
  }
}

async function end(job: RevertJob, names: readonly string[]): Promise<void> {
  const { session, state, migration } = job
  const { version } = migration.row
  const { api, tenant, database, now } = session.job
  const fingerprints = await takeFingerprints(api, { tenant, database }, names, session.signal)
  const finishedAt = now().toISOString()
  await state.updateRow(version, (row) => ({
    ...row,
    ...{ status: 'reverted', direction: 'down', finishedAt, steps: [], fingerprints, error: null },
  }))
  await addEvent({ ...job, version }, 'reverted', job.restore ? 'from the backup' : '')
}

/** It stays `running` when that cannot be written: the next run finds out that its owner is gone. */
async function markStopped(job: RevertJob, failure: OpsError): Promise<void> {
  const { session, state, migration } = job
  const { version } = migration.row
  if (session.lock.lost.aborted || state.row(version)?.runId !== session.runId) return
  const { code, message } = failure
  const status = session.signal.aborted ? 'interrupted' : 'failed'
  try {
    await state.updateRow(version, (row) => ({ ...row, status, error: { code, message } }))
    await addEvent({ ...job, version }, status, message)
  } catch (error) {
    session.warnings.push(notRecorded(version, asError(error)))
  }
}
