import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { anySignal, sleep } from '../core/abort.js'
import { isErrno, throwIfAborted } from '../core/errors.js'
import { copySparse } from './copy-file.js'
import type { DatabaseCopier } from './database-copier.js'
import { DatabaseBusyError } from './errors.js'
import {
  DATABASE_FILE,
  isSameFile,
  isSameScan,
  scanDirectory,
  type DirectoryScan,
  type ScannedFile,
} from './snapshot-scan.js'
import { openDatabase } from './sqlite.js'

export interface LockedCopyJob {
  readonly directory: string
  /** Takes the copies under their paths. */
  readonly staging: string
  /** Of the database, to its path in `staging`. */
  readonly copier: DatabaseCopier
  readonly maxStallMs: number
  /** Whether the file need not be copied: it has not changed since it was taken. */
  readonly isTaken: (file: ScannedFile) => boolean
  readonly signal?: AbortSignal | undefined
}

export interface LockedCopy {
  /** The directory at the moment of the lock. */
  readonly scan: DirectoryScan
  /** Where the copies are, by path: of the database and of everything that was not taken. */
  readonly staged: ReadonlyMap<string, string>
  readonly lockedMs: number
}

/**
 * Keeps a server from writing (reading goes on) for as long as it takes to copy the database and what changed;
 * `stalled` when that took longer than `maxStallMs`, `unlocked` when the database was written to all the same.
 * Rejects with a {@link DatabaseBusyError} (11) when the lock cannot be had within a minute.
 */
export async function copyUnderLock(job: LockedCopyJob): Promise<LockedCopy | 'stalled' | 'unlocked'> {
  const file = path.join(job.directory, DATABASE_FILE)
  for (let attempt = 1; ; attempt++) {
    if (attempt > 1) await sleep(QUIET_MS / 2, job.signal)
    const database = await untilFree(file, job.signal, () =>
      openDatabase(file, { mode: 'write', busyTimeoutMs: BUSY_MS }),
    )
    try {
      await untilFree(file, job.signal, async () => database.exec('BEGIN IMMEDIATE'))
      const began = performance.now()
      try {
        // An index that is being saved right now: let the server come to the end of it.
        if (attempt < QUIET_ATTEMPTS && (await isSaving(job))) continue
        const copy = await copyAll(job)
        if (typeof copy === 'string') return copy
        return { ...copy, lockedMs: Math.round(performance.now() - began) }
      } finally {
        database.exec('ROLLBACK')
      }
    } finally {
      database.close()
    }
  }
}

const LOCK_WAIT_MS = 60_000
const BUSY_MS = 20
const POLL_MS = 10
const QUIET_ATTEMPTS = 20
const QUIET_MS = 100
const MAX_SCANS = 50

/** Mostly not by SQLite's own waiting, which stops everything else in this process. */
async function untilFree<T>(
  file: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + LOCK_WAIT_MS
  for (;;) {
    throwIfAborted(signal)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof DatabaseBusyError)) throw error
      if (performance.now() > deadline) throw new DatabaseBusyError(file, error)
    }
    await sleep(Math.random() * POLL_MS, signal)
  }
}

/**
 * The server saves an index without the lock and notes in the database up to where; between the two, both
 * are a bit apart, as after a crash.
 */
async function isSaving({ directory }: LockedCopyJob): Promise<boolean> {
  const { files } = await scanDirectory(directory)
  const now = BigInt(Date.now() - QUIET_MS) * 1_000_000n
  return files.some(({ path: name, mtimeNs }) => name !== DATABASE_FILE && mtimeNs > now)
}

async function copyAll(
  job: LockedCopyJob,
): Promise<Pick<LockedCopy, 'scan' | 'staged'> | 'stalled' | 'unlocked'> {
  const stall = AbortSignal.timeout(job.maxStallMs)
  const signal = anySignal(job.signal, stall)
  const database = path.join(job.staging, DATABASE_FILE)
  try {
    const copies = new Map<string, ScannedFile>()
    const first = await scanDirectory(job.directory, signal)
    let scan = first
    // Awaited below; until then a failure must not count as unhandled.
    const copied = job.copier.finish()
    copied.catch(() => {})
    for (let round = 1; ; round++) {
      await copyChanged(job, scan, copies, signal)
      const again = await scanDirectory(job.directory, signal)
      if (isSameScan(scan, again)) break
      if (round === MAX_SCANS) return 'stalled'
      scan = again
    }
    const isStill = await Promise.race([copied, waitFor(stall), waitFor(job.signal)])
    if (isStill === 'stopped') {
      throwIfAborted(job.signal)
      return 'stalled'
    }
    const last = databaseIn(await scanDirectory(job.directory, signal))
    if (!isStill || last === undefined || !isSameFile(last, databaseIn(first))) return 'unlocked'
    const staged = new Map([...copies.keys()].map((name) => [name, path.join(job.staging, name)]))
    return { scan, staged: staged.set(DATABASE_FILE, database) }
  } catch (error) {
    throwIfAborted(job.signal)
    if (stall.aborted) return 'stalled'
    throw error
  }
}

function databaseIn({ files }: DirectoryScan): ScannedFile | undefined {
  return files.find(({ path: name }) => name === DATABASE_FILE)
}

async function copyChanged(
  job: LockedCopyJob,
  scan: DirectoryScan,
  copies: Map<string, ScannedFile>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const file of scan.files) {
    if (file.path === DATABASE_FILE || job.isTaken(file) || copies.get(file.path) === file) continue
    const known = copies.get(file.path)
    if (known?.mtimeNs === file.mtimeNs && known.ctimeNs === file.ctimeNs && known.size === file.size)
      continue
    const target = path.join(job.staging, file.path)
    await mkdir(path.dirname(target), { recursive: true })
    await rm(target, { force: true })
    try {
      await copySparse(path.join(job.directory, file.path), target, signal)
      copies.set(file.path, file)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
    }
  }
}

async function waitFor(signal: AbortSignal | undefined): Promise<'stopped'> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve('stopped')
    signal?.addEventListener('abort', () => resolve('stopped'), { once: true })
  })
}
