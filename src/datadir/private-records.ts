import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import path from 'node:path'

import type { Progress } from '../core/progress.js'
import type { RecordSource } from '../core/records.js'
import { copySparse } from './copy-file.js'
import { openDataDirectory } from './data-directory.js'
import { DirectorySource } from './directory-source.js'
import { findHolder } from './holder.js'
import type { MigrationFingerprint } from './migrations.js'
import { takeSnapshot, type SnapshotFile } from './snapshot.js'

export interface OpenedRecords {
  readonly source: RecordSource
  readonly fingerprint: MigrationFingerprint
  close(): Promise<void>
}

/**
 * The records of a data directory: of the directory itself when nobody works on it, else of a private copy in
 * `tempDir`, taken as `takeSnapshot` does. Rejects with what `openDataDirectory` and `takeSnapshot` reject with.
 */
export async function openRecordsOf(job: {
  readonly directory: string
  readonly tempDir: string
  readonly maxStallMs?: number
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}): Promise<OpenedRecords> {
  const { directory, tempDir } = job
  const holder = await findHolder(directory)
  if (holder.state === 'free') return openIn(directory, job, async () => {})
  await mkdir(tempDir, { recursive: true })
  const folder = await mkdtemp(path.join(tempDir, 'chroma-ops-records-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const copy = path.join(folder, 'copy')
    const staging = path.join(folder, 'staging')
    await mkdir(copy)
    await mkdir(staging)
    const take = (name: string, file: SnapshotFile | null) => keep(copy, name, file, job.signal)
    await takeSnapshot({ ...job, maxStallMs: job.maxStallMs ?? MAX_STALL_MS, staging, take })
    return await openIn(copy, job, remove)
  } catch (error) {
    await remove()
    throw error
  }
}

const MAX_STALL_MS = 5000

async function openIn(
  directory: string,
  { tempDir, directory: named, progress }: Parameters<typeof openRecordsOf>[0],
  remove: () => Promise<void>,
): Promise<OpenedRecords> {
  const opened = await openDataDirectory(directory, { tempDir })
  const source = new DirectorySource(opened, {
    onDamage: (_, problem) => {
      progress.warn({ code: problem.code, message: problem.message })
    },
  })
  return {
    source: {
      displayUrl: named,
      listCollections: (signal) => source.listCollections(signal),
      openCollection: (definition, signal) => source.openCollection(definition, signal),
      close: () => source.close(),
    },
    fingerprint: opened.fingerprint,
    close: async () => {
      opened.close()
      await remove()
    },
  }
}

/** What is staged already stays where it is. */
async function keep(
  copy: string,
  name: string,
  file: SnapshotFile | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = path.join(copy, name)
  await rm(target, { force: true })
  if (file === null) return
  await mkdir(path.dirname(target), { recursive: true })
  if (file.staged) await symlink(file.source, target)
  else await copySparse(file.source, target, signal)
}
