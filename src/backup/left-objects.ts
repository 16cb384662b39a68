import { OpsError } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import { hasBlob } from '../storage/has-blob.js'
import { fence, isFenced } from './live-sessions.js'
import { manifestKey } from './manifest.js'
import { objectPrefix, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'
import { listSessions } from './running-sessions.js'

const FAREWELL_MS = 5_000

/** What a backup took over from runs that were killed. */
export interface ResumedRuns {
  /** Their ids, the oldest first; nothing was taken over from some of them, perhaps. */
  readonly runs: readonly string[]
  readonly objects: number
  /** Stored bytes that were not sent again. */
  readonly bytes: number
}

/** Ids of backups of a series that were being made when their run died, the oldest first. */
export async function findDeadRuns(
  repository: Repository,
  series: string,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const sessions = await listSessions(repository, signal)
  return sessions
    .filter((session) => session.kind === 'backup' && session.series === series && session.state === 'dead')
    .map(({ backup }) => backup)
}

/**
 * The objects that killed runs of the series have stored. Whoever uses them has named those runs in its session
 * before this is opened, and looks again at what it uses before it commits. What makes that safe is told in
 * docs/retention.md: a run that ends by itself removes its session first and its objects afterwards, and prune
 * gives a run up before it looks whose sessions name it.
 */
export class LeftObjects {
  /** Ids of the runs, the oldest first. */
  readonly runs: readonly string[]
  readonly #repository: Repository
  readonly #objects: ReadonlyMap<string, readonly LeftObject[]>
  /** Those that have committed, or were given up, and left only the record of their session. */
  readonly #over: readonly string[]

  private constructor(
    repository: Repository,
    found: {
      readonly runs: readonly string[]
      readonly over: readonly string[]
      readonly objects: ReadonlyMap<string, readonly LeftObject[]>
    },
  ) {
    this.#repository = repository
    this.runs = found.runs
    this.#over = found.over
    this.#objects = found.objects
  }

  /** Memory: about 300 bytes for each object that was left. */
  static async open(
    repository: Repository,
    candidates: readonly string[],
    signal?: AbortSignal,
  ): Promise<LeftObjects> {
    const objects = new Map<string, LeftObject[]>()
    const [runs, over]: [string[], string[]] = [[], []]
    for (const backup of candidates) {
      if (
        (await hasBlob(repository.store, manifestKey(backup), signal)) ||
        (await isFenced(repository, backup, signal))
      ) {
        over.push(backup)
        continue
      }
      // Asked after the own session was written: from now on nobody removes what the run has stored.
      if (!(await hasBlob(repository.store, `sessions/${backup}.json`, signal))) continue
      runs.push(backup)
      const prefix = objectPrefix(backup)
      for await (const { key, size } of repository.store.list(prefix, signal)) {
        const [, id, sha256] = /^([0-9a-f]{32})\.([0-9a-f]{64})$/.exec(key.slice(prefix.length)) ?? []
        if (id === undefined || sha256 === undefined) continue
        const same = objects.get(id) ?? []
        same.push({ backup, sha256, size })
        objects.set(id, same)
      }
    }
    return new LeftObjects(repository, { runs, over, objects })
  }

  /** One with this content, of exactly so many stored bytes; `sha256` null: encrypted anew, they would be others. */
  find({ id, size, sha256 }: Wanted): LeftObject | null {
    const same = this.#objects.get(id) ?? []
    return same.find((left) => left.size === size && (sha256 === null || left.sha256 === sha256)) ?? null
  }

  /** Whether an object lies with one of the runs. */
  owns({ backup }: ObjectReference): boolean {
    return this.runs.includes(backup)
  }

  /** After the commit: the runs must not come back, and nobody needs to go on from them. Fenced, then forgotten. */
  async forget(progress: Progress): Promise<void> {
    const signal = AbortSignal.timeout(FAREWELL_MS)
    try {
      for (const backup of this.runs) {
        // It was only asleep, and has ended well.
        if (await hasBlob(this.#repository.store, manifestKey(backup), signal)) continue
        await fence(this.#repository, backup, signal)
      }
      for (const backup of [...this.runs, ...this.#over])
        await this.#repository.store.delete(`sessions/${backup}.json`, signal)
    } catch (error) {
      if (!(error instanceof OpsError)) throw error
      const message = `the records of killed runs stay in sessions/: ${error.message}`
      progress.warn({ code: 'SESSION_RECORD', message })
    }
  }
}

interface LeftObject {
  readonly backup: string
  readonly sha256: string
  readonly size: number
}

interface Wanted {
  readonly id: string
  readonly size: number
  readonly sha256: string | null
}
