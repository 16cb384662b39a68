import { mkdir, rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'

import { GuardError, isErrno, throwIfAborted } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { withDirectoryLock, type HeldLock } from '../datadir/directory-lock.js'
import {
  contentsOf,
  finishSwap,
  makeStaging,
  pendingSwap,
  swapDirectory,
  type SwapDone,
} from '../datadir/directory-swap.js'
import { requireNoHolder } from '../datadir/holder.js'
import { DiskFullError, OWN_FOLDER } from '../datadir/own-folder.js'
import type { ErasedRecords } from '../transfer/restore-plan.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import { stageBackup, type RecordSelection, type StagedBackup } from './stage-backup.js'

/** What to restore, and the data directory that it becomes. */
export interface RestoreDirectoryJob {
  readonly repository: Repository
  /** Physical, or of records, which a temporary server then writes. */
  readonly head: BackupHead
  /** Absolute. Made if it is not there. */
  readonly directory: string
  /** `create` refuses a directory that holds anything; `replace` swaps what it holds. */
  readonly mode: 'create' | 'replace'
  /** With `replace`: what was there is deleted after the swap. */
  readonly dropOld: boolean
  readonly allowPartial: boolean
  /** For backups of records: which, and under which names. */
  readonly selection: RecordSelection
  /** The operator says that no server works on the directory, where that cannot be seen. */
  readonly serverStopped: boolean
  /** Where an adapted copy of the server may be kept; for backups of records. */
  readonly cacheDir: string
  /** Of this run, unique. */
  readonly run: string
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface DirectoryRestored {
  readonly backup: string
  readonly directory: string
  readonly type: BackupHead['type']
  readonly action: 'create' | 'replace'
  /** An earlier run had been interrupted at its last step; this one has finished it. */
  readonly resumed: boolean
  readonly collections: number
  readonly records: number
  /** Of the files; null when an earlier run wrote them. */
  readonly bytes: number | null
  /** What stayed out because it was erased since the backup; null when an earlier run wrote the files. */
  readonly erased: readonly ErasedRecords[] | null
  /** Where the old contents are; null when there were none, or they were deleted. */
  readonly keptAs: string | null
  readonly durationMs: number
}

/** What a restore into a directory would do. Nothing has been written. */
export interface RestoreDirectoryPlan {
  readonly backup: string
  readonly directory: string
  readonly type: BackupHead['type']
  readonly action: 'create' | 'replace' | 'refuse'
  readonly replaced: readonly string[]
  readonly collections: number
  readonly records: number
  readonly bytes: number
  readonly refusals: readonly { readonly code: string; readonly message: string }[]
}

/**
 * Restores a backup into a data directory: staged inside it, verified and durable, then put in place by a swap
 * that a later run finishes when this one is killed. Nobody may work on the directory.
 *
 * Rejects with a GuardError (15): `RESTORE_TARGET_EXISTS`, `RESTORE_PARTIAL`; a DirectoryHeldError (11), a
 * HolderUnknownError (15), a DirectoryLockedError (11), a SwapUndecidedError (17), an ObjectDamagedError (13), a
 * DiskFullError, or an AbortedError; then the directory holds what it held.
 */
export async function restoreDirectory(job: RestoreDirectoryJob): Promise<DirectoryRestored> {
  const { directory, head, signal } = job
  const started = job.now().getTime()
  refusePartial(job)
  const isNew = await makeDirectory(directory)
  try {
    if ((await contentsOf(directory)).length > 0) await requireNoHolder(directory, job)
    return await withDirectoryLock(directory, { purpose: 'restore', signal }, async (lock) => {
      const earlier = await finishSwap(directory)
      if (earlier?.contents === head.id)
        return report(job, started, { done: earlier, staged: null, before: [] })
      // What dead runs have staged; ours is the only one alive.
      await rm(path.join(directory, OWN_FOLDER, 'staging'), { recursive: true, force: true })
      return replaceContents(job, lock, started)
    })
  } catch (error) {
    if (isNew) await removeIfUnused(directory)
    throw error
  }
}

/** What {@link restoreDirectory} would do with the same job. */
export async function planRestoreDirectory(job: RestoreDirectoryJob): Promise<RestoreDirectoryPlan> {
  const { head, directory } = job
  const replaced = await contentsIfThere(directory)
  const pending = replaced === null ? null : await pendingSwap(directory)
  const refusals: { code: string; message: string }[] = []
  const collect = async (check: () => Promise<void>) => {
    try {
      await check()
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error
      refusals.push({ code: String(error.code), message: error.message })
    }
  }
  await collect(async () => refusePartial(job))
  if (replaced !== null && replaced.length > 0 && pending === null)
    await collect(async () => refuseContents(job, replaced))
  if (replaced !== null && replaced.length > 0) await collect(() => requireNoHolder(directory, job))
  const action = replaced === null || replaced.length === 0 ? 'create' : 'replace'
  return {
    backup: head.id,
    directory,
    type: head.type,
    action: refusals.length > 0 ? 'refuse' : action,
    replaced: replaced ?? [],
    collections: head.counts.collections,
    records: head.counts.records,
    bytes: head.sizes.logical,
    refusals,
  }
}

async function replaceContents(
  job: RestoreDirectoryJob,
  lock: HeldLock,
  started: number,
): Promise<DirectoryRestored> {
  const { directory, head, run } = job
  const before = await contentsOf(directory)
  if (before.length > 0) refuseContents(job, before)
  await refuseWithoutRoom(job)
  const staging = await makeStaging(directory, run)
  try {
    const staged = await stageBackup({ ...job, folder: staging })
    throwIfAborted(job.signal)
    // A server may have been started meanwhile.
    if (before.length > 0) await requireNoHolder(directory, job)
    await lock.stillMine()
    const keepOld = !job.dropOld
    const done = await swapDirectory({ directory, run, contents: head.id, keepOld, now: job.now() })
    return report(job, started, { done, staged, before })
  } catch (error) {
    // Not while a journal leads to it.
    if ((await pendingSwap(directory)) === null) await rm(staging, { recursive: true, force: true })
    throw error
  }
}

function report(
  { head, directory, now }: RestoreDirectoryJob,
  started: number,
  {
    done,
    staged,
    before,
  }: {
    readonly done: SwapDone
    readonly staged: StagedBackup | null
    readonly before: readonly string[]
  },
): DirectoryRestored {
  return {
    backup: head.id,
    directory,
    type: head.type,
    action: before.length > 0 || done.keptAs !== null ? 'replace' : 'create',
    resumed: staged === null,
    collections: head.counts.collections,
    records: head.counts.records,
    bytes: staged?.bytes ?? null,
    erased: staged?.erased ?? null,
    keptAs: done.keptAs,
    durationMs: now().getTime() - started,
  }
}

function refusePartial({ head, allowPartial }: RestoreDirectoryJob): void {
  if (head.status === 'complete' || allowPartial) return
  throw new GuardError('RESTORE_PARTIAL', `backup ${head.id} is partial: what it was made from was damaged`, {
    hint: '--allow-partial restores what there is; "chroma-ops backup show" tells what is missing',
  })
}

function refuseContents({ directory, mode }: RestoreDirectoryJob, contents: readonly string[]): void {
  if (mode === 'replace') return
  const [first = '', ...others] = contents
  const more = others.length > 0 ? ` and ${others.length} more` : ''
  throw new GuardError('RESTORE_TARGET_EXISTS', `${directory} is not empty: it holds ${first}${more}`, {
    hint: 'name a new directory, or give --mode replace: what is there is kept in quarantine',
  })
}

async function refuseWithoutRoom({ head, directory }: RestoreDirectoryJob): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  if (free >= head.sizes.logical) return
  throw new DiskFullError(
    `${directory} has room for ${free} bytes, and the backup has ${head.sizes.logical}`,
    { hint: 'free some space, or restore into a directory on another disk' },
  )
}

/** Whether it was made. */
async function makeDirectory(directory: string): Promise<boolean> {
  if ((await contentsIfThere(directory)) !== null) return false
  await mkdir(directory, { recursive: true })
  return true
}

async function contentsIfThere(directory: string): Promise<readonly string[] | null> {
  try {
    if (!(await stat(directory)).isDirectory())
      throw new GuardError('RESTORE_TARGET_EXISTS', `${directory} is not a directory`, {
        hint: 'name a new directory',
      })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
  return contentsOf(directory)
}

async function removeIfUnused(directory: string): Promise<void> {
  const isUsed = (await contentsOf(directory)).length > 0 || (await pendingSwap(directory)) !== null
  if (!isUsed) await rm(directory, { recursive: true, force: true })
}
