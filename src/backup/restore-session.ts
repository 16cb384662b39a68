import type { Progress } from '../core/progress.js'
import { OpsError } from '../core/errors.js'
import { StoreUnsupportedError } from '../storage/blob-store.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import { beginSession, type Session } from './sessions.js'

export interface RestoreSessionJob {
  readonly repository: Repository
  readonly head: BackupHead
  readonly host: string
  readonly actor: string
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * Does work that reads a backup for long, while a session says so: `status` shows it, and nobody purges what it reads.
 * Whoever may only read the repository restores all the same, with a warning. Rejects like `work`, and with a
 * BackupError when the backup is being removed just now.
 */
export async function whileRestoring<T>(job: RestoreSessionJob, work: () => Promise<T>): Promise<T> {
  const session = await begin(job)
  try {
    return await work()
  } finally {
    await session?.end()
  }
}

async function begin(job: RestoreSessionJob): Promise<Session | null> {
  const { head, now, progress } = job
  try {
    const { series } = head
    const { session } = await beginSession({
      ...job,
      series,
      started: now(),
      kind: 'restore',
      pins: [head.id],
    })
    return session
  } catch (error) {
    // It is being removed, or the run is stopped: then there is nothing to go on with.
    const isRefused = error instanceof OpsError && !['BACKUP_FAILED', 'ABORTED'].includes(error.code)
    if (!isRefused || job.signal?.aborted === true) throw error
    // An archive takes no records, and nobody purges what is in it.
    if (error instanceof StoreUnsupportedError) return null
    const message = `the restore could not be registered in the repository: ${error.message}`
    progress.warn({ code: 'SESSION_RECORD', message })
    return null
  }
}
