import { hostname } from 'node:os'

import { GuardError } from '../../core/errors.js'
import type { MigrationRow, RowStatus } from '../state/row.js'
import { readState } from '../state/state-store.js'
import type { StateWriter } from '../state/state-writer.js'
import { requireEnvironment } from './environment.js'
import { loadKnown } from './load-known.js'
import type { MigrationJob } from './migration-job.js'
import { isUnfinished, modifiedOf, titleOf, unknownVersion, type KnownMigration } from './select.js'
import { newRunId, whileLocked, type Session } from './session.js'
import { addEvent } from './step-context.js'

export type Repair =
  /** Takes the checksums of the files as they are now. */
  | { readonly kind: 'checksums' }
  /** The operator has done by hand what this migration does. */
  | { readonly kind: 'markApplied'; readonly version: string }
  /** The operator has taken back by hand what this migration did. */
  | { readonly kind: 'markRolledBack'; readonly version: string }
  /** Removes the row of a migration; its events stay. */
  | { readonly kind: 'forget'; readonly version: string }

export interface RepairJob extends MigrationJob {
  readonly repair: Repair
  /** False: says what would be done. */
  readonly apply: boolean
}

export interface RepairResult {
  readonly applied: boolean
  /** One sentence for each change. Empty: there is nothing to repair. */
  readonly actions: readonly RepairAction[]
}

export interface RepairAction {
  readonly version: string
  readonly message: string
}

/** Changes the history, never the data. Rejects with a MigrationNotFoundError (10) or a LockHeldError (11). */
export async function repair(job: RepairJob): Promise<RepairResult> {
  const files = await loadKnown(job)
  const before = changesOf(job.repair, files, (await readState(job, job.signal)).rows)
  if (!job.apply || before.length === 0) return { applied: false, actions: before.map(tell) }
  return whileLocked(job, { runId: newRunId(), phase: 'repair' }, async (session) => {
    const state = await session.state()
    const changes = changesOf(job.repair, files, state.rows)
    const { atLeast } = await job.api.fingerprint(session.signal)
    for (const change of changes) await make(change, { session, state, serverVersion: atLeast })
    return { applied: true, actions: changes.map(tell) }
  })
}

export interface BaselineResult {
  /** What is recorded as already there. */
  readonly versions: readonly string[]
}

/**
 * Begins the history of a database that has collections already: every migration up to and including
 * `version` is recorded as there without being run; null: none. Rejects with a GuardError `HISTORY_EXISTS`
 * (15) when a migration was applied by a run.
 */
export async function baseline(
  job: MigrationJob & { readonly version: string | null; readonly dryRun: boolean },
): Promise<BaselineResult> {
  const files = await loadKnown(job)
  const { version } = job
  const covered = version === null ? [] : files.filter((file) => file.version <= version)
  if (version !== null && !files.some((file) => file.version === version))
    throw unknownVersion(version, files)
  const contents = await readState(job, job.signal)
  requireEnvironment(job.environment, contents)
  refuseHistory(contents.rows)
  const versions = covered.map((file) => file.version)
  if (job.dryRun) return { versions }
  return whileLocked(job, { runId: newRunId(), phase: 'baseline' }, async (session) => {
    const state = await session.state()
    refuseHistory(state.rows)
    const { atLeast } = await job.api.fingerprint(session.signal)
    if (job.environment !== null && state.environment === null) await state.setEnvironment(job.environment)
    for (const row of state.rows) if (!versions.includes(row.version)) await state.removeRow(row.version)
    for (const file of covered) {
      await state.putRow(rowOf(file, 'baseline', { session, state, serverVersion: atLeast }))
      await addEvent({ session, state, version: file.version }, 'baseline', 'recorded as there already')
    }
    return { versions }
  })
}

function refuseHistory(rows: readonly MigrationRow[]): void {
  const run = rows.find(({ status }) => status !== 'baseline')
  if (run === undefined) return
  throw new GuardError('HISTORY_EXISTS', `${titleOf(run)} is in the history already, as ${run.status}`, {
    hint: 'a baseline begins a history; single migrations are corrected with "chroma-ops migrate repair"',
  })
}

interface Change extends RepairAction {
  /** Null: the row goes. */
  readonly status: RowStatus | null
  readonly file: KnownMigration | null
}

function changesOf(
  repair: Repair,
  files: readonly KnownMigration[],
  rows: readonly MigrationRow[],
): readonly Change[] {
  if (repair.kind === 'checksums')
    return modifiedOf(files, rows).map((file) => ({
      version: file.version,
      file,
      status: rows.find(({ version }) => version === file.version)?.status ?? 'applied',
      message: `takes the checksum of ${file.file} as it is now`,
    }))
  const { version, kind } = repair
  const file = files.find((one) => one.version === version) ?? null
  const row = rows.find((one) => one.version === version)
  if (row === undefined && (kind !== 'markApplied' || file === null)) throw unknownVersion(version, files)
  const title = titleOf(row ?? file ?? { version, name: '' })
  if (kind === 'forget')
    return [{ version, file, status: null, message: `forgets ${title} (it was ${row?.status ?? ''})` }]
  const status = kind === 'markApplied' ? 'applied' : 'reverted'
  if (row?.status === status) return []
  const was = row === undefined ? 'not in the history' : row.status
  return [{ version, file, status, message: `records ${title} as ${status} (it was ${was})` }]
}

interface RowJob {
  readonly session: Session
  readonly state: StateWriter
  readonly serverVersion: string
}

async function make({ version, status, file, message }: Change, job: RowJob): Promise<void> {
  const { session, state } = job
  const old = state.row(version)
  const finishedAt = session.job.now().toISOString()
  await addEvent({ session, state, version }, 'repaired', message)
  if (status === null) return state.removeRow(version)
  if (old === null) {
    if (file !== null) await state.putRow(rowOf(file, status, job))
    return
  }
  const checksum = file?.checksum ?? old.checksum
  // What a run had begun and a person has ended is not undone step by step any more.
  const steps = isUnfinished(old) || status === 'reverted' ? [] : old.steps
  const direction = status === 'reverted' ? 'down' : 'up'
  await state.putRow({ ...old, status, checksum, steps, direction, finishedAt, error: null })
}

function rowOf(file: KnownMigration, status: RowStatus, job: RowJob): MigrationRow {
  const { session, state, serverVersion } = job
  const at = session.job.now().toISOString()
  const { version, name, checksum } = file
  return {
    ...{ version, name, status, checksum, serverVersion },
    direction: 'up',
    attempt: (state.row(version)?.attempt ?? 0) + 1,
    ...{ runId: session.runId, lockId: session.lock.id, actor: session.job.actor, host: hostname() },
    toolVersion: session.job.toolVersion,
    ...{
      startedAt: at,
      finishedAt: at,
      steps: [],
      backup: null,
      touched: null,
      fingerprints: [],
      error: null,
    },
  }
}

function tell({ version, message }: Change): RepairAction {
  return { version, message }
}
