import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { claimDirectory } from '../../chroma/server-directory.js'
import { GuardError } from '../../core/errors.js'
import { silentProgress } from '../../core/progress.js'
import { copySparse } from '../../datadir/copy-file.js'
import { fileSystemOf } from '../../datadir/file-system.js'
import { findHolder } from '../../datadir/holder.js'
import { isSameScan, scanDirectory, type DirectoryScan } from '../../datadir/snapshot-scan.js'
import { takeSnapshot } from '../../datadir/snapshot.js'
import { bytesText } from './figures.js'

export interface PrivateCopy {
  /** Made by us, so a server may be started on it. */
  readonly directory: string
  readonly bytes: number
  remove(): Promise<void>
}

/** While somebody writes, copies differ from what they were made of. */
const ATTEMPTS = 3
/** Above what is copied: a server that opens the copy writes to it. */
const ROOM = 1.2

/**
 * Copies a data directory to a folder of our own in `tempDir`. A directory that a server works on is copied
 * under its database lock, which keeps writers waiting for a moment; others are only read. Rejects with a
 * GuardError `NO_ROOM_FOR_COPY`.
 */
export async function makePrivateCopy(job: {
  readonly directory: string
  readonly tempDir: string
  readonly signal: AbortSignal | undefined
}): Promise<PrivateCopy> {
  const scan = await scanDirectory(job.directory)
  const bytes = bytesOf(scan)
  const { freeBytes } = await fileSystemOf(job.tempDir)
  if (freeBytes < bytes * ROOM)
    throw new GuardError(
      'NO_ROOM_FOR_COPY',
      `a copy of ${job.directory} needs ${bytesText(bytes * ROOM)}, and ${bytesText(freeBytes)} are free at ${job.tempDir}`,
      { hint: 'name a folder with more space: --temp-dir' },
    )
  const root = await mkdtemp(path.join(job.tempDir, 'chroma-ops-copy-'))
  const remove = () => rm(root, { recursive: true, force: true })
  const directory = path.join(root, 'data')
  try {
    await claimDirectory(directory)
    const isHeld = (await findHolder(job.directory)).state === 'held'
    if (isHeld || !(await copiedInPeace(job, directory, scan))) await copyLocked(job, root, directory)
    return { directory, bytes, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

type Source = Parameters<typeof makePrivateCopy>[0]

/** False when the directory was changing all the time. */
async function copiedInPeace(job: Source, target: string, first: DirectoryScan): Promise<boolean> {
  let scan = first
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    for (const folder of scan.folders) await mkdir(path.join(target, folder.path), { recursive: true })
    const files = scan.journal === null ? scan.files : [...scan.files, scan.journal]
    for (const file of files) await replace(job, file.path, target)
    const after = await scanDirectory(job.directory)
    if (isSameScan(scan, after)) return true
    scan = after
  }
  return false
}

async function replace(job: Source, relative: string, target: string): Promise<void> {
  const copy = path.join(target, relative)
  await rm(copy, { force: true })
  await copySparse(path.join(job.directory, relative), copy, job.signal)
}

const MAX_STALL_MS = 60_000

async function copyLocked(job: Source, root: string, target: string): Promise<void> {
  const staging = path.join(root, 'staging')
  await mkdir(staging)
  await takeSnapshot({
    directory: job.directory,
    staging,
    maxStallMs: MAX_STALL_MS,
    progress: silentProgress,
    signal: job.signal,
    take: async (relative, file) => {
      const copy = path.join(target, relative)
      await rm(copy, { force: true })
      if (file === null) return
      await mkdir(path.dirname(copy), { recursive: true })
      await copySparse(file.source, copy, job.signal)
    },
  })
  await rm(staging, { recursive: true, force: true })
}

function bytesOf({ files }: DirectoryScan): number {
  return files.reduce((sum, { allocated }) => sum + allocated, 0)
}
