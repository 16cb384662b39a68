import { stat } from 'node:fs/promises'
import path from 'node:path'

import { GuardError, isErrno } from '../core/errors.js'
import { realDirectory } from '../datadir/file-system.js'
import { withDirectoryLock } from '../datadir/directory-lock.js'
import { requireNoHolder } from '../datadir/holder.js'
import { applySteps, type Outcome } from './apply-steps.js'
import { finishOverwriting } from './overwrite-database.js'
import { planCleanup } from './plan.js'
import {
  requireDatabase,
  requireNoSwap,
  requireWhole,
  rollBackUnfinished,
  withRollBackHint,
} from './ready.js'
import type { CleanupPlan, CleanupResult, CleanupTarget } from './report.js'
import { DATABASE_FILE, surveyDirectory, type CleanupFacts } from './survey.js'

export interface CleanupJob {
  readonly directory: string
  readonly targets: readonly CleanupTarget[]
  /** A folder; null: what is removed is gone for good, after `requireBackup`. */
  readonly quarantine: string | null
  /** Where SQLite keeps its temporary files. */
  readonly sqliteTempDir: string
  /** A folder of another file system, through which `vacuum` writes. */
  readonly via: string | null
  readonly now: () => Date
  readonly signal?: AbortSignal | undefined
}

export interface ApplyJob extends CleanupJob {
  /** What the operator says where the holder is not known. */
  readonly serverStopped: boolean
  /** Keep the whole database file too, so that undoing gives its bytes back. Needs a stopped server. */
  readonly keepDatabase?: boolean
  /** Go on although no collection is alive, so that everything is an orphan. */
  readonly allowEmpty: boolean
  /**
   * Rejects unless a verified backup holds the data of these collections, all that are alive; asked when there
   * is no quarantine.
   */
  readonly requireBackup: (collectionIds: readonly string[]) => Promise<void>
}

/** What a cleanup would do. Changes nothing. */
export async function planOf(job: CleanupJob): Promise<CleanupPlan> {
  const directory = await realDirectory(job.directory)
  await requireWhole(directory)
  try {
    return planCleanup(await planJob(job, directory), await surveyDirectory({ ...job, directory }))
  } catch (error) {
    throw withRollBackHint(directory, error)
  }
}

/**
 * Does what {@link planOf} tells, after looking again. A step that fails does not stop the others. Rejects
 * before anything is changed with DirectoryLockedError, DirectoryHeldError (11), HolderUnknownError,
 * GuardError `NOTHING_ALIVE` (15), OldDirectoryError (16) and DatabaseDamagedError (13).
 */
export async function applyCleanup(given: ApplyJob): Promise<CleanupResult> {
  const started = performance.now()
  const directory = await realDirectory(given.directory)
  const job = { ...given, directory }
  await requireDatabase(directory)
  return withDirectoryLock(directory, { purpose: 'cleanup', signal: job.signal }, async (lock) => {
    await requireNoSwap(directory)
    await finishOverwriting(path.join(directory, DATABASE_FILE))
    await rollBackUnfinished(directory, job)
    const facts = await surveyDirectory(job)
    const plan = planCleanup(await planJob(job, directory), facts)
    await requireAllowed(job, facts, plan)
    const outcome =
      plan.steps.length === 0 ? NOTHING : await applySteps({ ...job, lock, facts, steps: plan.steps })
    return {
      directory,
      ...outcome,
      quarantine: outcome.run === null ? null : job.quarantine,
      notices: plan.notices,
      durationMs: Math.round(performance.now() - started),
    }
  })
}

const NOTHING: Outcome = { run: null, removed: [], freedBytes: 0, quarantinedBytes: 0, errors: [] }

/** Whether moving between two folders is a rename. The quarantine may not be there yet. */
async function isSameSpace(directory: string, quarantine: string): Promise<boolean> {
  for (let folder = quarantine; ; folder = path.dirname(folder)) {
    try {
      return (await stat(folder)).dev === (await stat(directory)).dev
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
    }
  }
}

async function planJob(job: CleanupJob, directory: string) {
  const { targets, quarantine, via } = job
  const quarantineIsHere = quarantine !== null && (await isSameSpace(directory, quarantine))
  return { directory, targets, quarantine, quarantineIsHere, via: via !== null }
}

async function requireAllowed(job: ApplyJob, facts: CleanupFacts, { steps }: CleanupPlan): Promise<void> {
  const needsStop = job.keepDatabase === true || steps.some(({ needsServerStopped }) => needsServerStopped)
  if (steps.length > 0 && needsStop) await requireNoHolder(job.directory, job)
  const removes = facts.orphanDirectories.length + facts.orphanRows.length > 0
  if (removes && facts.liveCollections.length === 0 && !job.allowEmpty)
    throw new GuardError(
      'NOTHING_ALIVE',
      `${job.directory} has no collection at all, so everything in it counts as left over`,
      { hint: 'if that is right, say so with --allow-empty; if not, the database may be the wrong one' },
    )
  if (steps.length > 0 && job.quarantine === null) await job.requireBackup(facts.liveCollections)
}
