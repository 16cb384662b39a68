import { lstat, mkdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { sleep } from '../core/abort.js'
import { isErrno, throwIfAborted } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { requireDatabase } from './data-directory.js'
import { explained, explainedReading } from './own-folder.js'
import { openDatabase } from './sqlite.js'
import { copySparse } from './copy-file.js'
import { DatabaseCopier } from './database-copier.js'
import { findHolder, type Holder } from './holder.js'
import { copyUnderLock } from './snapshot-lock.js'
import { SnapshotStallError, SnapshotUnsupportedError } from './snapshot-errors.js'
import {
  DATABASE_FILE,
  JOURNAL_FILE,
  isSameFile,
  isSameScan,
  scanDirectory,
  type DirectoryScan,
  type LeftOut,
  type ScannedFile,
  type ScannedFolder,
} from './snapshot-scan.js'

export interface SnapshotJob {
  readonly directory: string
  /** A folder of our own, empty, removed by the caller: takes the database and what changes meanwhile. */
  readonly staging: string
  /**
   * Reads the file to its end. A file that changed while or after it was read is given again; the last call
   * for a path holds. Also told of files that have disappeared, with `null`.
   */
  readonly take: (path: string, file: SnapshotFile | null) => Promise<void>
  /** How long writers of a live directory may be kept waiting at a time, in milliseconds. */
  readonly maxStallMs: number
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/** A file of the snapshot, and where its bytes can be read now. */
export interface SnapshotFile {
  /** Relative, with `/`. */
  readonly path: string
  readonly source: string
  /** `source` is in the staging folder, where nobody changes it. */
  readonly staged: boolean
  readonly size: number
  readonly allocated: number
  readonly mode: number
  readonly mtimeMs: number
}

export interface Snapshot {
  /** Sorted by path. */
  readonly files: readonly SnapshotFile[]
  readonly folders: readonly ScannedFolder[]
  readonly leftOut: readonly LeftOut[]
  /** `locked`: writers were kept waiting for a moment. `offline`: nobody worked on it, and nothing changed. */
  readonly consistency: 'locked' | 'offline'
  readonly holder: Holder
  /** For how long writers were kept waiting, in milliseconds; 0 when offline. */
  readonly lockedMs: number
  /** Paths of files of which the `source` is not any more what it was. */
  changed(): Promise<readonly string[]>
}

/**
 * Everything in a data directory as it was at one moment, also while a server works on it: index files are
 * taken without a lock; then a write lock on the database keeps the server from changing anything while the
 * database and what has changed since are copied. Nothing is staged that need not be. A directory that nobody
 * holds is read without any lock, and once more with one if it turns out to have changed.
 *
 * Rejects with {@link SnapshotStallError} (11), a DatabaseBusyError (11), a SnapshotUnsupportedError (16), a
 * NotADataDirectoryError (10), a DiskFullError, a file system error or an AbortedError.
 */
export async function takeSnapshot(job: SnapshotJob): Promise<Snapshot> {
  await requireDatabase(job.directory)
  const holder = await findHolder(job.directory)
  const taken = new TakenFiles(job)
  if (holder.state === 'free') {
    const offline = await takeOffline(job, taken, holder)
    if (offline !== null) return offline
  }
  return takeLive(job, taken, holder)
}

const ATTEMPTS = 5
const PAUSE_MS = 500
/** Times of files are as coarse as a tick of the kernel: what was written a moment ago may be written again. */
const RACY_NS = 50_000_000n
/** Longer than that. */
const SETTLED_MS = 100

async function takeOffline(job: SnapshotJob, taken: TakenFiles, holder: Holder): Promise<Snapshot | null> {
  let before = await scanDirectory(job.directory)
  const source = before.journal === null ? null : await rolledBack(job)
  for (let attempt = 1; ; attempt++) {
    await taken.update(before)
    const database = before.files.find(({ path: name }) => name === DATABASE_FILE)
    if (database !== undefined && !taken.has(database))
      await taken.takeDatabase(database, source ?? undefined)
    const after = await scanDirectory(job.directory)
    if (!isSameScan(before, after)) return null
    if (taken.holds(after)) return describe(taken, after, { consistency: 'offline', holder, lockedMs: 0 })
    // Written right before it was read: looked at a moment later, it can be told that it stayed as it was.
    if (attempt === 2) return null
    await sleep(SETTLED_MS, job.signal)
    before = after
  }
}

async function takeLive(job: SnapshotJob, taken: TakenFiles, holder: Holder): Promise<Snapshot> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(job.signal)
    const staging = path.join(job.staging, `locked-${attempt}`)
    await mkdir(staging, { recursive: true })
    const locked = await takeLocked(job, taken, staging)
    if (typeof locked !== 'string') {
      const { scan, staged, lockedMs } = locked
      for (const file of scan.files) {
        const source = staged.get(file.path)
        if (source !== undefined) await taken.takeCopy(file, source)
      }
      await taken.forgetOthers(scan)
      return describe(taken, scan, { consistency: 'locked', holder, lockedMs })
    }
    await rm(staging, { recursive: true, force: true })
    if (attempt === ATTEMPTS) throw failed(job, locked)
    await sleep(PAUSE_MS * attempt, job.signal)
  }
}

/** The database is copied ahead while the indexes are taken. */
async function takeLocked(job: SnapshotJob, taken: TakenFiles, staging: string) {
  const [source, target] = [job.directory, staging].map((folder) => path.join(folder, DATABASE_FILE))
  const starting = DatabaseCopier.start(source ?? '', target ?? '')
  // Awaited below, whatever happens meanwhile.
  starting.catch(() => {})
  try {
    await taken.update(await scanDirectory(job.directory))
    const copier = await starting
    return await copyUnderLock({ ...job, staging, copier, isTaken: (file) => taken.has(file) })
  } finally {
    const [started] = await Promise.allSettled([starting])
    if (started.status === 'fulfilled') await started.value.stop()
  }
}

function failed({ directory, maxStallMs }: SnapshotJob, why: 'stalled' | 'unlocked'): Error {
  if (why === 'stalled')
    return new SnapshotStallError(
      `${directory} changes faster than it can be copied within ${maxStallMs} ms`,
      { hint: 'try when less is written, or let writers wait longer with --max-stall 30s' },
    )
  return new SnapshotUnsupportedError(
    `${path.join(directory, DATABASE_FILE)} was written to while it was locked: locks do not hold here`,
    { hint: 'back up the records of the server instead, with --url, or stop it first' },
  )
}

/** A copy of the database in which the transaction of a killed process has been rolled back. */
async function rolledBack({ directory, staging, signal }: SnapshotJob): Promise<string> {
  const copy = path.join(staging, DATABASE_FILE)
  try {
    await copySparse(path.join(directory, DATABASE_FILE), copy, signal)
    await copySparse(path.join(directory, JOURNAL_FILE), path.join(staging, JOURNAL_FILE), signal)
  } catch (error) {
    throw explained(error, `copy the database to ${staging}`)
  }
  // Opening it for writing is what rolls back.
  const database = await openDatabase(copy, { mode: 'write' })
  database.close()
  return copy
}

function describe(
  taken: TakenFiles,
  { folders, leftOut }: DirectoryScan,
  facts: Pick<Snapshot, 'consistency' | 'holder' | 'lockedMs'>,
): Snapshot {
  return { files: taken.files(), folders, leftOut, ...facts, changed: () => taken.changed() }
}

/** What has been given to the job's `take`, and what the files were like then. */
class TakenFiles {
  readonly #job: SnapshotJob
  readonly #taken = new Map<string, { readonly scanned: ScannedFile; readonly file: SnapshotFile }>()

  constructor(job: SnapshotJob) {
    this.#job = job
  }

  has(file: ScannedFile): boolean {
    return isSameFile(file, this.#taken.get(file.path)?.scanned)
  }

  /** Whether what was taken is what is there. */
  holds({ files }: DirectoryScan): boolean {
    return files.length === this.#taken.size && files.every((file) => this.has(file))
  }

  /** Takes what is new or has changed, straight from the directory; not the database. */
  async update(scan: DirectoryScan): Promise<void> {
    for (const file of scan.files) {
      if (file.path === DATABASE_FILE || this.has(file)) continue
      await this.#takeInPlace(file)
    }
  }

  async takeDatabase(scanned: ScannedFile, copy?: string): Promise<void> {
    if (copy === undefined) await this.#takeInPlace(scanned)
    else await this.takeCopy(scanned, copy)
  }

  /** A copy that nobody changes, of a file that was like this. */
  async takeCopy(scanned: ScannedFile, source: string): Promise<void> {
    // To roll back a transaction may change the size.
    const { size, blocks } = await lstat(source)
    const file = { ...snapshotFile(scanned), size, allocated: blocks * 512, source, staged: true }
    await this.#job.take(file.path, file)
    this.#taken.set(file.path, { scanned, file })
  }

  async forgetOthers({ files }: DirectoryScan): Promise<void> {
    const present = new Set(files.map(({ path: name }) => name))
    for (const name of [...this.#taken.keys()]) if (!present.has(name)) await this.#forget(name)
  }

  async changed(): Promise<readonly string[]> {
    const now = new Map((await scanDirectory(this.#job.directory)).files.map((file) => [file.path, file]))
    return [...this.#taken.values()].flatMap(({ scanned, file }) => {
      return file.staged || isSameFile(scanned, now.get(file.path)) ? [] : [file.path]
    })
  }

  files(): readonly SnapshotFile[] {
    const files = [...this.#taken.values()].map(({ file }) => file)
    return files.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async #takeInPlace(scanned: ScannedFile): Promise<void> {
    throwIfAborted(this.#job.signal)
    const began = BigInt(Date.now()) * 1_000_000n
    const source = path.join(this.#job.directory, scanned.path)
    const file = { ...snapshotFile(scanned), source, staged: false }
    try {
      await this.#job.take(file.path, file)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw explainedReading(error, source)
      await this.#forget(scanned.path)
      return
    }
    // Written within the same tick of the clock as we read, it would look as before.
    const isRacy = scanned.mtimeNs > began - RACY_NS || scanned.ctimeNs > began - RACY_NS
    if (!isRacy) this.#taken.set(file.path, { scanned, file })
  }

  async #forget(name: string): Promise<void> {
    if (this.#taken.delete(name)) await this.#job.take(name, null)
  }
}

function snapshotFile({
  path: name,
  size,
  allocated,
  mode,
  mtimeNs,
}: ScannedFile): Omit<SnapshotFile, 'source' | 'staged'> {
  return { path: name, size, allocated, mode, mtimeMs: Number(mtimeNs / 1_000_000n) }
}
