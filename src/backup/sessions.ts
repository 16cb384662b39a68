import type { Progress } from '../core/progress.js'
import { asError, OpsError } from '../core/errors.js'
import { encodeDocument } from './documents.js'
import { BackupError } from './errors.js'
import { mayRelyOn } from './live-sessions.js'
import type { Repository } from './repository.js'

const HEARTBEAT_MS = 30_000
const FAREWELL_MS = 5_000

export interface SessionJob {
  readonly repository: Repository
  /** The id of the backup that is being made. */
  readonly backup: string
  /** Backups whose objects it may refer to; they must not be removed meanwhile. */
  readonly pins: readonly string[]
  readonly host: string
  readonly actor: string
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * The record of a running backup (`sessions/<backup id>.json`), refreshed every 30 s, removed at the end. One that
 * is not refreshed any more belongs to a dead run.
 */
export class Session {
  readonly #job: SessionJob
  readonly #began: Date
  readonly #timer: NodeJS.Timeout
  #beating: Promise<void> = Promise.resolve()

  private constructor(job: SessionJob, began: Date) {
    this.#job = job
    this.#began = began
    this.#timer = setInterval(() => {
      this.#beating = this.#beat()
    }, HEARTBEAT_MS)
    this.#timer.unref()
  }

  /** Rejects with a {@link BackupError} when a pinned backup is not there any more: it was removed just now. */
  static async begin(job: SessionJob): Promise<Session> {
    const began = job.now()
    await job.repository.store.putNew(keyOf(job), encode(job, began), job.signal)
    const session = new Session(job, began)
    try {
      // Only now: who removes backups looks at sessions afterwards, so that one of the two sees the other.
      for (const pin of job.pins) await refuseRemoved(job, pin)
      return session
    } catch (error) {
      await session.end()
      throw error
    }
  }

  /** Removes the record, also after the job's signal has fired. */
  async end(): Promise<void> {
    clearInterval(this.#timer)
    await this.#beating
    try {
      await this.#job.repository.store.delete(keyOf(this.#job), AbortSignal.timeout(FAREWELL_MS))
    } catch (error) {
      this.#warn(error, 'could not be removed')
    }
  }

  async #beat(): Promise<void> {
    try {
      const { repository, signal } = this.#job
      await repository.store.put(keyOf(this.#job), encode(this.#job, this.#began), signal)
    } catch (error) {
      if (!(this.#job.signal?.aborted ?? false)) this.#warn(error, 'could not be refreshed')
    }
  }

  /** A lost heartbeat endangers nothing that the check before the commit does not find. */
  #warn(error: unknown, what: string): void {
    if (!(error instanceof OpsError)) throw error
    const message = `${keyOf(this.#job)} ${what}: ${asError(error).message}`
    this.#job.progress.warn({ code: 'SESSION_RECORD', message })
  }
}

async function refuseRemoved({ repository, signal }: SessionJob, pin: string): Promise<void> {
  if (await mayRelyOn(repository, pin, signal)) return
  throw new BackupError(`${pin}, on which this backup was to rely, has just been removed`, {
    hint: 'run the backup again',
  })
}

function keyOf({ backup }: SessionJob): string {
  return `sessions/${backup}.json`
}

function encode(job: SessionJob, began: Date): Buffer {
  const { repository, backup, pins, host, actor, now } = job
  return encodeDocument(repository, 'session', keyOf(job), {
    format: 1,
    backup,
    began: began.toISOString(),
    heartbeat: now().toISOString(),
    pins,
    host,
    actor,
  })
}
