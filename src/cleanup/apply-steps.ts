import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import path from 'node:path'

import { throwIfAborted } from '../core/errors.js'
import type { HeldLock } from '../datadir/directory-lock.js'
import { DatabaseDamagedError } from '../datadir/errors.js'
import { requireNoHolder } from '../datadir/holder.js'
import { checkIntegrity } from '../datadir/inspect-pages.js'
import { openDatabase, type Database } from '../datadir/sqlite.js'
import type { ApplyJob } from './apply.js'
import { fixFullText } from './fix-full-text.js'
import { listIndexDirectories } from './index-directories.js'
import { readLogBounds, writeLogBounds } from './log-bounds.js'
import { switchPurgingOn } from './queue-config.js'
import { hashOfDatabase, keepDatabase, type KeptDatabase } from './keep-database.js'
import { DIRECTORIES_STEP, failureOf, removeDirectories } from './remove-directories.js'
import { attachKept, removeRows } from './remove-rows.js'
import type { CleanupFailure, CleanupResult, CleanupStep, RemovedThing } from './report.js'
import { LOG_RULE, ROW_RULES, type RowRule } from './row-rules.js'
import { beginRun, writeRunRecord, type RunRecord } from './run-record.js'
import { requireSpace } from './space.js'
import { removeStaleSuperJournals } from './super-journals.js'
import { DATABASE_FILE, savedSegments, type CleanupFacts } from './survey.js'
import { vacuum } from './vacuum.js'

export interface ApplyStepsJob extends ApplyJob {
  readonly lock: HeldLock
  readonly facts: CleanupFacts
  readonly steps: readonly CleanupStep[]
}

export type Outcome = Pick<CleanupResult, 'run' | 'removed' | 'freedBytes' | 'quarantinedBytes' | 'errors'>

/** Does the steps in their order. What fails as expected is told in the outcome, and the next step is done. */
export async function applySteps(job: ApplyStepsJob): Promise<Outcome> {
  const { directory, now } = job
  const steps = job.steps.filter(({ target }) => target !== 'vacuum')
  const keepsDatabase = job.keepDatabase === true && job.quarantine !== null
  // A vacuum removes nothing, and a full disk may have no room for a record.
  const quarantine = steps.length === 0 && !keepsDatabase ? null : job.quarantine
  const run = runId(now())
  const record: RunRecord = {
    format: 1,
    run,
    directory,
    created: now().toISOString(),
    state: 'open',
    removed: [],
  }
  const folder = quarantine === null ? null : await beginRun(directory, quarantine, record)
  const database = keepsDatabase && folder !== null ? await keepOrLeave(job, folder) : null
  const tally: Tally = { removed: [], errors: [], freedBytes: 0, quarantinedBytes: database?.bytes ?? 0 }
  const opened = await openChecked(job)
  try {
    for (const step of steps) await attempt(job, step, tally, () => applyStep(job, opened, folder, step))
  } finally {
    opened.close()
  }
  if (quarantine !== null) await removeStaleSuperJournals(directory, quarantine)
  const keeps = folder !== null && (database !== null || tally.removed.some(({ count }) => count > 0))
  const done = { ...record, state: 'done', removed: tally.removed } as const
  if (keeps) await writeRunRecord(folder, done)
  else if (folder !== null) await rm(folder, { recursive: true })
  for (const step of job.steps.filter(({ target }) => target === 'vacuum'))
    await attempt(job, step, tally, () => vacuumStep(job, run))
  if (keeps && database !== null) {
    const after = await hashOfDatabase(job.directory)
    await writeRunRecord(folder, { ...done, database: { ...database, after } })
  }
  return { run: keeps ? run : null, ...tally }
}

/** Nothing has been done yet: without the copy there is no run. */
async function keepOrLeave(job: ApplyStepsJob, folder: string): Promise<KeptDatabase> {
  try {
    return await keepDatabase(job.directory, folder, job.signal)
  } catch (error) {
    await rm(folder, { recursive: true })
    throw error
  }
}

interface Tally {
  readonly removed: RemovedThing[]
  readonly errors: CleanupFailure[]
  freedBytes: number
  quarantinedBytes: number
}

interface StepOutcome {
  readonly count: number
  readonly bytes: number
  readonly freedBytes: number
  readonly errors: readonly CleanupFailure[]
  readonly quarantined: boolean
}

/** Of a live server's writers each may hold the lock for a moment. */
const BUSY_TIMEOUT_MS = 60_000

async function attempt(
  job: ApplyStepsJob,
  step: CleanupStep,
  tally: Tally,
  work: () => Promise<StepOutcome>,
): Promise<void> {
  throwIfAborted(job.signal)
  try {
    await job.lock.stillMine()
    if (step.target !== 'vacuum') await requireSpace(job.directory, step.needsBytes, step.id)
    const { count, bytes, freedBytes, errors, quarantined } = await work()
    tally.removed.push({ target: step.target, id: step.id, count, bytes })
    tally.errors.push(...errors)
    tally.freedBytes += freedBytes
    if (quarantined) tally.quarantinedBytes += bytes
  } catch (error) {
    throwIfAborted(job.signal)
    tally.errors.push(failureOf(step.id, error))
  }
}

async function openChecked(job: ApplyStepsJob): Promise<Database> {
  const file = path.join(job.directory, DATABASE_FILE)
  const database = await openDatabase(file, { mode: 'write', busyTimeoutMs: BUSY_TIMEOUT_MS })
  try {
    // A full read holds a lock for so long that a running server would stand still.
    const { damage } = job.facts.holder.state === 'held' ? { damage: [] } : checkIntegrity(database, false)
    if (damage[0] !== undefined) throw new DatabaseDamagedError(file, { message: damage[0] })
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

async function applyStep(
  job: ApplyStepsJob,
  database: Database,
  folder: string | null,
  { target, id }: CleanupStep,
): Promise<StepOutcome> {
  const { directory, facts, signal } = job
  const keep = folder !== null
  const rows = (done: { count: number; bytes: number }): StepOutcome => ({
    ...done,
    freedBytes: 0,
    errors: [],
    quarantined: keep,
  })
  if (id === DIRECTORIES_STEP) {
    const orphans = facts.orphanDirectories
    const done = await removeDirectories({ database, directory, orphans, runFolder: folder, signal })
    return { ...done, quarantined: keep }
  }
  // Not before: with two files every transaction needs a little space, and a full disk has none.
  if (keep) await attachKept(database, folder, directory)
  if (target === 'fts') return rows(await fixFullText({ database, keep, signal }))
  if (id === 'embeddings_queue_config') return rows({ count: switchPurgingOn(database, keep), bytes: 0 })
  if (target === 'wal') {
    const { indexes } = await listIndexDirectories(directory)
    writeLogBounds(database, readLogBounds(database, savedSegments(indexes)))
    return rows(await removeRows({ database, rule: LOG_RULE, keep, signal }))
  }
  return rows(await removeRows({ database, rule: ruleOf(id), keep, signal }))
}

async function vacuumStep(job: ApplyStepsJob, run: string): Promise<StepOutcome> {
  const requireAlone = async () => {
    await job.lock.stillMine()
    await requireNoHolder(job.directory, job)
  }
  const freedBytes = await vacuum({ ...job, run, requireAlone })
  return { count: 1, bytes: freedBytes, freedBytes, errors: [], quarantined: false }
}

function ruleOf(id: string): RowRule {
  const rule = ROW_RULES.find(({ table }) => table === id)
  if (rule === undefined) throw new Error(`there is no rule for ${id}`)
  return rule
}

/** `20261120T201500Z-7f3k9a`: in the order of time. */
function runId(now: Date): string {
  return `${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${randomBytes(3).toString('hex')}`
}
