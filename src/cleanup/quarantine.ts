import { lstat, readdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, throwIfAborted } from '../core/errors.js'
import { withDirectoryLock } from '../datadir/directory-lock.js'
import { explained, explainedReading } from '../datadir/own-folder.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { QuarantineRunError } from './errors.js'
import { failureOf } from './remove-directories.js'
import type { CleanupFailure, RemovedThing } from './report.js'
import { readRunRecord, RUN_RECORD, type RunRecord } from './run-record.js'

/** What one cleanup, or a restore that replaced the contents of the directory, left in the quarantine. */
export interface QuarantinedRun {
  readonly run: string
  readonly kind: 'cleanup' | 'restore'
  /** ISO 8601. */
  readonly created: string
  /** `kept`: what a restore replaced; that is no cleanup, and `undo` does not bring it back. */
  readonly state: RunRecord['state'] | 'kept'
  /** On the disk; emptying gives it back. */
  readonly bytes: number
  readonly removed: readonly RemovedThing[]
  /** Of a restore: what it put in place of what is kept here. */
  readonly replacedBy: string | null
}

/** The newest last. Folders without a record that can be read are not ours and are left out. */
export async function listQuarantine(quarantine: string): Promise<readonly QuarantinedRun[]> {
  const runs: QuarantinedRun[] = []
  for (const name of [...(await namesIn(quarantine))].sort()) {
    const folder = path.join(quarantine, name)
    if (!(await lstat(folder)).isDirectory() || !(await namesIn(folder)).includes(RUN_RECORD)) continue
    const record = await recordIn(folder)
    if (record === null) continue
    const { run, created, removed, replacedBy = null } = record
    const kind = replacedBy === null ? 'cleanup' : 'restore'
    const state = kind === 'restore' ? 'kept' : record.state
    if (run === name)
      runs.push({ run, kind, created, state, removed, replacedBy, bytes: await allocatedIn(folder) })
  }
  return runs
}

/** The newest run that can be undone. Rejects with {@link QuarantineRunError}. */
export async function newestRun(quarantine: string): Promise<string> {
  const runs = (await listQuarantine(quarantine)).filter(
    ({ kind, state }) => kind === 'cleanup' && state !== 'undone',
  )
  const newest = runs.at(-1)
  if (newest !== undefined) return newest.run
  throw new QuarantineRunError(`there is nothing to undo in ${quarantine}`)
}

export interface EmptyJob {
  readonly directory: string
  readonly quarantine: string
  /** Undefined: all. */
  readonly olderThanMs?: number | undefined
  readonly now: () => Date
  /** False: only tell. */
  readonly apply: boolean
  readonly signal?: AbortSignal | undefined
}

export interface EmptiedQuarantine {
  readonly applied: boolean
  readonly runs: readonly QuarantinedRun[]
  readonly freedBytes: number
  readonly errors: readonly CleanupFailure[]
  readonly durationMs: number
}

/** Deletes what cleanups have put into quarantine; after that they cannot be undone. */
export async function emptyQuarantine(job: EmptyJob): Promise<EmptiedQuarantine> {
  const started = performance.now()
  // Nothing is made in a directory that has no quarantine.
  const outcome =
    job.apply && (await chosenRuns(job)).length > 0
      ? await withDirectoryLock(job.directory, { purpose: 'quarantine', signal: job.signal }, () =>
          removeRuns(job),
        )
      : { runs: await chosenRuns(job), freedBytes: 0, errors: [] }
  return { applied: job.apply, ...outcome, durationMs: Math.round(performance.now() - started) }
}

async function removeRuns(job: EmptyJob) {
  const errors: CleanupFailure[] = []
  const runs: QuarantinedRun[] = []
  let freedBytes = 0
  for (const each of await chosenRuns(job)) {
    throwIfAborted(job.signal)
    try {
      await rm(path.join(job.quarantine, each.run), { recursive: true })
      runs.push(each)
      freedBytes += each.bytes
    } catch (error) {
      errors.push(failureOf(each.run, explained(error, `delete ${each.run}`)))
    }
  }
  if (runs.length > 0) await syncFolder(job.quarantine)
  return { runs, freedBytes, errors }
}

async function chosenRuns({ quarantine, olderThanMs, now }: EmptyJob): Promise<readonly QuarantinedRun[]> {
  const runs = await listQuarantine(quarantine)
  if (olderThanMs === undefined) return runs
  return runs.filter(({ created }) => now().getTime() - Date.parse(created) > olderThanMs)
}

async function allocatedIn(folder: string): Promise<number> {
  let bytes = 0
  for (const name of await namesIn(folder)) {
    const file = path.join(folder, name)
    const found = await lstat(file)
    bytes += found.isDirectory() ? await allocatedIn(file) : found.blocks * 512
  }
  return bytes
}

async function recordIn(folder: string): Promise<RunRecord | null> {
  try {
    return await readRunRecord(folder)
  } catch (error) {
    if (error instanceof QuarantineRunError) return null
    throw error
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw explainedReading(error, folder)
  }
}
