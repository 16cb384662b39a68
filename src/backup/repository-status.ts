import pLimit from 'p-limit'

import { DRILLED, listMarked, readMark, VERIFIED } from './backup-marks.js'
import { readMaintenance, type Maintenance } from './lease-state.js'
import { listBackups, readableHeads } from './list-backups.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import { countsAsLatest } from './resolve-backup.js'
import { listSessions, type RunningSession } from './running-sessions.js'

/** What is known of one series of backups, and of the repository that it is in. */
export interface RepositoryStatus {
  readonly series: string
  /** Readable backups of the series. */
  readonly backups: number
  /** Ids of those whose manifest is damaged or too new. */
  readonly unreadable: readonly string[]
  /** The newest one that counts: complete, and of the whole series. */
  readonly lastBackup: BackupHead | null
  /** The newest one of all, when it is not {@link lastBackup}: partial, or a selection. */
  readonly newest: BackupHead | null
  /** When a backup of the series was last found to be whole, ISO 8601; a physical one is proven when it is made. */
  readonly lastVerified: string | null
  readonly lastDrill: string | null
  /** How long recovery took then. */
  readonly recoveryMs: number | null
  /** Bytes that the backups of the series have put into the repository. */
  readonly seriesBytes: number
  /** The same of all series, and how many backups that are. */
  readonly repositoryBytes: number
  readonly repositoryBackups: number
  /** Of all series; dead ones too. */
  readonly sessions: readonly RunningSession[]
  readonly maintenance: Maintenance | null
}

const CONCURRENT_READS = 8

/** Reads manifests and marks, no catalogues and no objects. Rejects with an error of the store. */
export async function readRepositoryStatus(
  repository: Repository,
  { series, signal }: { readonly series: string; readonly signal?: AbortSignal | undefined },
): Promise<RepositoryStatus> {
  const [entries, sessions, maintenance] = await Promise.all([
    listBackups(repository, { signal }),
    listSessions(repository, signal),
    readMaintenance(repository, signal),
  ])
  const all = readableHeads(entries)
  const own = all.filter((head) => head.series === series)
  const lastBackup = own.find(countsAsLatest) ?? null
  const [newest = null] = own
  const marksOf = async <T>(mark: Parameters<typeof readMark<T>>[1]) => {
    const marked = await listMarked(repository, mark, signal)
    const limit = pLimit(CONCURRENT_READS)
    const ids = own.map(({ id }) => id).filter((id) => marked.has(id))
    const marks = await limit.map(ids, (id) => readMark(repository, mark, id, signal))
    return marks.filter((each) => each !== null)
  }
  const [verified, drilled] = await Promise.all([marksOf(VERIFIED), marksOf(DRILLED)])
  const [lastDrill] = drilled.sort((a, b) => compare(b.drilled, a.drilled))
  const proven = own
    .filter(({ type, status }) => type === 'physical' && status === 'complete')
    .map(({ finished }) => finished)
  const [lastVerified = null] = [...verified.map((mark) => mark.verified), ...proven].sort((a, b) =>
    compare(b, a),
  )
  return {
    series,
    backups: own.length,
    unreadable: entries.filter((each) => each.damaged !== null && each.series === series).map(({ id }) => id),
    lastBackup,
    newest: newest === lastBackup ? null : newest,
    lastVerified,
    lastDrill: lastDrill?.drilled ?? null,
    recoveryMs: lastDrill?.recoveryMs ?? null,
    seriesBytes: added(own),
    repositoryBytes: added(all),
    repositoryBackups: all.length,
    sessions,
    maintenance,
  }
}

function added(heads: readonly BackupHead[]): number {
  return heads.reduce((sum, { sizes }) => sum + sizes.added, 0)
}

function compare(a: string, b: string): number {
  return Date.parse(a) - Date.parse(b)
}
