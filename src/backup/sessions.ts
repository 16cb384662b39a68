import type { Progress } from '../core/progress.js'
import { asError, OpsError } from '../core/errors.js'
import { identifyProcess, type ProcessIdentity } from '../core/process-identity.js'
import { BlobExistsError } from '../storage/blob-store.js'
import { newBackupId } from './backup-id.js'
import { encodeDocument } from './documents.js'
import { BackupError } from './errors.js'
import { mayRelyOn } from './live-sessions.js'
import { ownSessions, refuseRivals } from './running-sessions.js'
import type { Repository } from './repository.js'

const HEARTBEAT_MS = 30_000
const FAREWELL_MS = 5_000
const MOST_IDS = 10

export interface SessionJob {
  readonly repository: Repository
  /** The id of the backup that is being made; of another run an id of the same form, under which nothing is stored. */
  readonly backup: string
  /** What the run does; default `backup`. Of backups, one runs in each series at a time. */
  readonly kind?: 'backup' | 'restore' | undefined
  /** Backups whose objects it may refer to; they must not be removed meanwhile. */
  readonly pins: readonly string[]
  /** Killed runs whose objects it may refer to, see `LeftObjects`; they are among the pins of the record. */
  readonly resumes?: readonly string[] | undefined
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
  readonly #facts: SessionFacts
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> = Promise.resolve()
  #ended: Promise<boolean> | undefined

  private constructor(job: SessionJob, facts: SessionFacts) {
    this.#job = job
    this.#facts = facts
  }

  /**
   * Rejects with a {@link BackupError} when a pinned backup is not there any more: it was removed just now; with a
   * BackupRunningError (11) when another backup of the series is being made.
   */
  static async begin(job: SessionJob): Promise<Session> {
    const settled = job.kind === 'restore'
    const facts = { began: job.now(), process: await identifyProcess(process.pid), settled }
    const session = new Session(job, facts)
    ownSessions.add(job.backup)
    try {
      await job.repository.store.putNew(keyOf(job), encode(job, facts), job.signal)
    } catch (error) {
      ownSessions.delete(job.backup)
      throw error
    }
    try {
      if (!settled) await session.#settle()
      // Only now: who removes backups looks at sessions afterwards, so that one of the two sees the other.
      for (const pin of job.pins) await refuseRemoved(job, pin)
    } catch (error) {
      await session.end()
      throw error
    }
    session.#timer = setInterval(() => {
      session.#beating = session.#beat()
    }, HEARTBEAT_MS)
    session.#timer.unref()
    return session
  }

  /** One backup in each series: announced first, then settled, with a look around after each. */
  async #settle(): Promise<void> {
    const { repository, backup, signal } = this.#job
    await refuseRivals(repository, { backup, settled: false, signal })
    this.#facts.settled = true
    await repository.store.put(keyOf(this.#job), encode(this.#job, this.#facts), signal)
    await refuseRivals(repository, { backup, settled: true, signal })
  }

  /** Removes the record, also after the job's signal has fired. False, with a warning: it could not be removed. */
  async end(): Promise<boolean> {
    this.#ended ??= this.#remove()
    return this.#ended
  }

  async #remove(): Promise<boolean> {
    clearInterval(this.#timer)
    ownSessions.delete(this.#job.backup)
    await this.#beating
    try {
      await this.#job.repository.store.delete(keyOf(this.#job), AbortSignal.timeout(FAREWELL_MS))
      return true
    } catch (error) {
      this.#warn(error, 'could not be removed')
      return false
    }
  }

  async #beat(): Promise<void> {
    try {
      const { repository, signal } = this.#job
      await repository.store.put(keyOf(this.#job), encode(this.#job, this.#facts), signal)
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

/** {@link Session.begin} under a new id of the series; another one, where a run of the same millisecond has it. */
export async function beginSession(
  job: Omit<SessionJob, 'backup'> & { readonly series: string; readonly started: Date },
): Promise<{ readonly id: string; readonly session: Session }> {
  for (let attempt = 1; ; attempt++) {
    const id = newBackupId(job.started, job.series)
    try {
      return { id, session: await Session.begin({ ...job, backup: id }) }
    } catch (error) {
      if (!(error instanceof BlobExistsError) || attempt === MOST_IDS) throw error
    }
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

interface SessionFacts {
  readonly began: Date
  readonly process: ProcessIdentity
  /** False: it may still give way to another one. */
  settled: boolean
}

function encode(job: SessionJob, { began, process, settled }: SessionFacts): Buffer {
  const { repository, backup, kind = 'backup', pins, resumes = [], host, actor, now } = job
  return encodeDocument(repository, 'session', keyOf(job), {
    format: 1,
    backup,
    kind,
    began: began.toISOString(),
    heartbeat: now().toISOString(),
    pins: [...pins, ...resumes],
    host,
    actor,
    process,
    settled,
  })
}
