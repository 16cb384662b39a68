import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { IntegrityError } from '../../core/errors.js'
import type { Progress } from '../../core/progress.js'
import { localError } from '../../storage/local-errors.js'
import { LocalStore } from '../../storage/local-store.js'
import { copyBackups } from '../copy-repository.js'
import { listBackups } from '../list-backups.js'
import type { BackupHead } from '../manifest.js'
import { initRepository, type Repository } from '../repository.js'

export interface PlainCopyJob {
  /** An encrypted one. */
  readonly repository: Repository
  readonly head: BackupHead
  /** Holds the copy, in the clear, in a folder that only its owner can read; removed at the end. */
  readonly tempDir: string
  readonly concurrency: number
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * Works on a backup as it would be in a repository without encryption. Rejects with what the work rejects with, with
 * an IntegrityError (13) when the backup is damaged, or a StoreError.
 */
export async function withPlainCopy<T>(
  job: PlainCopyJob,
  work: (repository: Repository, head: BackupHead) => Promise<T>,
): Promise<T> {
  const { repository, head, now, signal } = job
  const folder = await makeFolder(job.tempDir)
  try {
    const store = new LocalStore(folder)
    const { repository: to } = await initRepository({ store, now: now(), signal })
    const parties = { actor: 'export', host: 'export', singleWriter: true }
    const { failed } = await copyBackups({ ...job, ...parties, from: repository, to, backups: [head] })
    const [failure] = failed
    if (failure !== undefined) throw new IntegrityError(failure.message)
    const [entry] = await listBackups(to, { signal })
    if (entry?.head == null) throw new IntegrityError(`the plain copy of ${head.id} cannot be read`)
    return await work(to, entry.head)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeFolder(tempDir: string): Promise<string> {
  try {
    return await mkdtemp(path.join(tempDir, 'chroma-ops-plain-'))
  } catch (error) {
    throw localError(error, `write to ${tempDir}`)
  }
}
