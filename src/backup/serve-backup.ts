import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { startEmbeddedServer, type EmbeddedServer } from '../chroma/embedded-server.js'
import { claimDirectory } from '../chroma/server-directory.js'
import { GuardError } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { eraseStaged } from './erase-staged.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import { restoreBackup } from './restore-backup.js'
import { writeFiles } from './write-files.js'

export interface ServeJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Takes the copy: as large as the backup, uncompressed, and more. */
  readonly tempDir: string
  /** Where an adapted copy of the server may be kept. */
  readonly cacheDir: string
  /** Default: a free one. */
  readonly port?: number | undefined
  readonly allowPartial: boolean
  /** Brings records back that were erased since the backup; by default they stay out. */
  readonly includeErased?: boolean | undefined
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface ServedBackup {
  readonly url: string
  readonly pid: number
  readonly directory: string
  /** Resolves when the server has ended by itself. */
  readonly exited: EmbeddedServer['exited']
  /** Ends the server and removes its copy. May be called again. */
  stop(): Promise<void>
}

/**
 * Starts a Chroma server on a private copy of a backup, in a temporary directory: whatever is written to it is
 * gone with it. Resolves when it has all the data.
 *
 * Rejects with a GuardError `RESTORE_PARTIAL` (15), what reading the backup rejects with, an EmbeddedServerError
 * (1) or an EmbeddedServerUnsupportedError (16), or an AbortedError.
 */
export async function serveBackup(job: ServeJob): Promise<ServedBackup> {
  if (job.head.status !== 'complete' && !job.allowPartial)
    throw new GuardError('RESTORE_PARTIAL', `backup ${job.head.id} is partial`, {
      hint: '--allow-partial serves what there is',
    })
  await mkdir(job.tempDir, { recursive: true })
  const directory = await mkdtemp(path.join(job.tempDir, 'chroma-ops-serve-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const server = await serverOn(job, directory)
    const stop = async () => {
      await discard(server)
      await remove()
    }
    try {
      if (job.head.type !== 'physical') await fill(job, server.url)
      return { url: server.url, pid: server.pid, directory, exited: server.exited, stop }
    } catch (error) {
      await stop()
      throw error
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function serverOn(job: ServeJob, directory: string): Promise<EmbeddedServer> {
  await claimDirectory(directory)
  if (job.head.type === 'physical') {
    await writeFiles({ ...job, folder: directory, durable: false })
    if (job.includeErased !== true) await eraseStaged({ ...job, folder: directory })
  }
  const { cacheDir, port, signal } = job
  return startEmbeddedServer({
    directory,
    cacheDir,
    ...(port !== undefined && { port }),
    ...(signal && { signal }),
  })
}

async function fill(job: ServeJob, url: string): Promise<void> {
  const transport = await connectTransport({ url, ...(job.signal && { signal: job.signal }) })
  try {
    await restoreBackup({ ...job, api: new ChromaApi(transport), mode: 'create', compare: false })
  } finally {
    await transport.close()
  }
}

/** At once: nobody needs what it has not saved yet. */
async function discard(server: EmbeddedServer): Promise<void> {
  try {
    process.kill(server.pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
  await server.stop()
}
