import { hostname } from 'node:os'

import { asError, throwIfAborted, type OpsError } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import { recordSteps, type RecordedStep } from '../plan/record-steps.js'
import { backupNeedOf, type BackupNeed } from '../plan/backup-need.js'
import { VirtualDatabase } from '../plan/virtual-database.js'
import { takeFingerprints } from '../state/fingerprints.js'
import type { MigrationRow } from '../state/row.js'
import type { StateWriter } from '../state/state-writer.js'
import { runCheck } from './check-context.js'
import { runWithContext } from './context.js'
import { StepDoer } from './do-steps.js'
import { isForeignEnvironment } from './environment.js'
import { migrationFailure, notRecorded, refusedBefore } from './failure.js'
import type { MigrationResult } from './result.js'
import { requireAllSteps } from './same-step.js'
import { isSameFile, type SelectedMigration } from './select.js'
import type { Session } from './session.js'
import { addEvent } from './step-context.js'
import { namedCollections, touchedNames } from './touched.js'

export interface ApplyJob {
  readonly session: Session
  readonly state: StateWriter
  readonly migration: SelectedMigration
  readonly serverVersion: string
  readonly skipBackup: boolean
}

export interface Applied {
  readonly result: MigrationResult
  /** Null: it is applied. */
  readonly error: OpsError | null
}

/**
 * Applies one migration, or what is left of it. What it throws is in the result; only what is wrong before its
 * first write rejects.
 */
export async function applyMigration(job: ApplyJob): Promise<Applied> {
  const { session, state, migration } = job
  const { file, resumed } = migration
  const { version, name, definition } = file
  const { job: run } = session
  if (isForeignEnvironment(definition.env, state.environment ?? run.environment)) return skip(job)
  const earlier = resumed ? (migration.row?.steps ?? []) : []
  const recorded = await record(job, earlier)
  // Its own first steps may have changed what it expects.
  if (earlier.length === 0) await runCheck(file, { ...run, tempDir: session.tempDir, signal: session.signal })
  const started = run.now()
  run.events.started?.({ version, name, direction: 'up' })
  const backup = job.skipBackup ? null : backupNeedOf(definition, recorded)
  const doer = doerOf(job, { earlier, recorded, backup })
  const finish = (error: OpsError | null, status: MigrationRow['status']): Applied => {
    const ms = run.now().getTime() - started.getTime()
    run.events.finished?.({ version, status, ms })
    const row = state.row(version)
    return {
      error,
      result: {
        ...{ version, name, direction: 'up', resumed, ms },
        status: error === null ? 'success' : 'error',
        steps: doer.results,
        backup: row?.backup ?? null,
        error: error && { code: error.code, message: error.message, hint: error.hint ?? null },
      },
    }
  }
  try {
    await begin(job, recorded, started)
    await runWithContext((context) => definition.up(context), doer)
    requireAllSteps({ version, steps: doer.number, earlier })
    await end(job, doer)
    return finish(null, 'applied')
  } catch (error) {
    const failure = migrationFailure(asError(error), { session, file, step: doer.current })
    const status = await markStopped(job, failure)
    return finish(failure, status)
  }
}

async function record(job: ApplyJob, earlier: MigrationRow['steps']): Promise<readonly RecordedStep[]> {
  const { session, migration } = job
  const { api, tenant, database, concurrency } = session.job
  const { cache, tempDir, signal } = session
  const place = { api, tenant, database, signal }
  const { file } = migration
  try {
    return await recordSteps((context) => file.definition.up(context), {
      ...place,
      version: file.version,
      virtual: new VirtualDatabase(place),
      ...{ earlier, sameFile: isSameFile(migration), cache, concurrency, tempDir },
    })
  } catch (error) {
    throwIfAborted(signal)
    throw refusedBefore(error, { file, directory: session.job.directory, at: 'up' })
  }
}

function doerOf(
  { session, state, migration, skipBackup }: ApplyJob,
  of: {
    readonly earlier: MigrationRow['steps']
    readonly recorded: readonly RecordedStep[]
    readonly backup: BackupNeed | null
  },
): StepDoer {
  const { version, definition } = migration.file
  return new StepDoer({
    ...{ session, state, version, direction: 'up', earlier: of.earlier, backup: of.backup },
    sameFile: isSameFile(migration),
    foreseen: of.recorded.map(({ hash }) => hash),
    backsUp: !skipBackup && definition.backup !== 'never',
  })
}

/** The row says `running` before anything else is written. */
async function begin(job: ApplyJob, recorded: readonly RecordedStep[], started: Date): Promise<void> {
  const { state, migration } = job
  const { row: before, resumed } = migration
  await state.putRow({
    ...rowOf(job, started),
    status: 'running',
    steps: resumed ? (before?.steps ?? []) : [],
    backup: resumed ? (before?.backup ?? null) : null,
    touched: touchedNames(recorded),
  })
  const done = recorded.filter((step) => step.state === 'done').length
  const message = resumed
    ? `goes on behind step ${done} of run ${before?.runId ?? ''}`
    : plural(recorded.length, 'step')
  await addEvent({ ...job, version: migration.file.version }, resumed ? 'resumed' : 'started', message)
}

async function end(job: ApplyJob, doer: StepDoer): Promise<void> {
  const { session, state, migration } = job
  const { version } = migration.file
  const { api, tenant, database, now } = session.job
  // A way back that restored them has left other collections of these names.
  const before = (migration.row?.fingerprints ?? []).map(({ name }) => name)
  const names = [...namedCollections(doer.steps), ...before]
  const fingerprints = await takeFingerprints(api, { tenant, database }, names, session.signal)
  const applied = {
    status: 'applied',
    finishedAt: now().toISOString(),
    touched: touchedNames(doer.steps),
    fingerprints,
    error: null,
  } as const
  await state.updateRow(version, (row) => ({ ...row, ...applied }))
  await addEvent({ ...job, version }, 'applied', plural(doer.results.length, 'step'))
}

async function skip(job: ApplyJob): Promise<Applied> {
  const { session, state, migration } = job
  const { version, name, definition } = migration.file
  const at = session.job.now()
  const environment = state.environment ?? session.job.environment ?? 'none'
  await state.putRow({ ...rowOf(job, at), status: 'skipped', finishedAt: at.toISOString() })
  const message = `for ${(definition.env ?? []).join(', ')}, and this is ${environment}`
  await addEvent({ ...job, version }, 'skipped', message)
  const nothing = { ms: 0, steps: [], backup: null, resumed: false, error: null }
  return { error: null, result: { version, name, direction: 'up', status: 'skipped', ...nothing } }
}

/** The row stays `running` when it cannot be written: the next run finds out that its owner is gone. */
async function markStopped(job: ApplyJob, failure: OpsError): Promise<MigrationRow['status']> {
  const { session, state, migration } = job
  const { version } = migration.file
  if (session.lock.lost.aborted || state.row(version)?.runId !== session.runId) return 'running'
  const status = session.signal.aborted ? 'interrupted' : 'failed'
  const { code, message } = failure
  const finishedAt = session.job.now().toISOString()
  try {
    await state.updateRow(version, (row) => ({ ...row, status, finishedAt, error: { code, message } }))
    await addEvent({ ...job, version }, status, message)
    return status
  } catch (error) {
    session.warnings.push(notRecorded(version, asError(error)))
    return 'running'
  }
}

function rowOf({ session, state, migration, serverVersion }: ApplyJob, started: Date): MigrationRow {
  const { version, name, checksum } = migration.file
  const { job, runId, lock } = session
  return {
    ...{ version, name, checksum, runId, serverVersion },
    status: 'running',
    direction: 'up',
    attempt: (state.row(version)?.attempt ?? 0) + 1,
    lockId: lock.id,
    actor: job.actor,
    host: hostname(),
    toolVersion: job.toolVersion,
    startedAt: started.toISOString(),
    finishedAt: null,
    steps: [],
    backup: null,
    touched: [],
    fingerprints: [],
    error: null,
  }
}
