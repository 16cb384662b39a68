import type { Repository } from './repository.js'
import { listBackupIds, type BackupEntry } from './list-backups.js'
import { parseBackupId } from './backup-id.js'
import { beginSession, type Session, type SessionJob } from './sessions.js'

/** What a backup goes by, found before its turn has come. */
export interface SeriesSeen {
  /** Every backup of the series. */
  readonly entries: readonly BackupEntry[]
  /** Backups that it is to rely on. */
  readonly pins: readonly string[]
  /** Killed runs that it is to go on from. */
  readonly resumes: readonly string[]
  readonly started: Date
}

export type TurnJob = Omit<SessionJob, 'backup' | 'kind' | 'pins' | 'resumes'> & { readonly series: string }

/**
 * Looks at the series, then begins a session in it. Between the two another run may have ended, and what was seen
 * would be old: parent, guards and all. Then the session is given back, and it looks again.
 *
 * Rejects with what `look` and {@link beginSession} reject with.
 */
export async function takeTurn<Seen extends SeriesSeen>(
  job: TurnJob,
  look: () => Promise<Seen>,
): Promise<{ readonly seen: Seen; readonly id: string; readonly session: Session }> {
  for (let looks = 1; ; looks++) {
    const seen = await look()
    const { pins, resumes, started } = seen
    const { id, session } = await beginSession({ ...job, pins, resumes, started })
    try {
      // Whoever makes backups faster than they can be counted is not waited for: an older parent is as sound.
      if (looks === LOOKS || (await isUpToDate(job.repository, job.series, seen, job.signal)))
        return { seen, id, session }
    } catch (error) {
      await session.end()
      throw error
    }
    await session.end()
  }
}

const LOOKS = 10

async function isUpToDate(
  repository: Repository,
  series: string,
  { entries }: SeriesSeen,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const known = new Set(entries.map(({ id }) => id))
  const ids = await listBackupIds(repository, signal)
  return [...ids].every((id) => known.has(id) || parseBackupId(id)?.series !== series)
}
