import { GuardError, UsageError } from '../core/errors.js'
import { parseBackupId } from './backup-id.js'
import { HOLD, isHeld, LATER_TAGS, listMarked, readMarks, VERIFIED, type Hold } from './backup-marks.js'
import {
  CLOCK_TOLERANCE_MS,
  decideRetention,
  shrinkRefusal,
  type BackupDecision,
  type RetentionQuestion,
} from './decide-retention.js'
import { BackupNotFoundError } from './errors.js'
import { listBackups, type BackupEntry } from './list-backups.js'
import { findSessions, listFences, SESSION_EXPIRY_MS, type SessionsFound } from './live-sessions.js'
import { ClockSkewError } from './maintenance-errors.js'
import type { PruneJob, TrashDecision } from './prune-job.js'
import { listTrash, type DamagedTrash, type TrashedBackup } from './trash.js'

/** What is in a repository, and what is to become of it. */
export interface Survey {
  /** By the store's clock. */
  readonly now: Date
  readonly entries: readonly BackupEntry[]
  readonly backups: readonly BackupDecision[]
  readonly trashed: readonly (TrashedBackup | DamagedTrash)[]
  readonly trash: readonly TrashDecision[]
  readonly holds: ReadonlyMap<string, Hold>
  readonly sessions: SessionsFound
  /** Ids of backups whose run was given up earlier. */
  readonly fences: ReadonlyMap<string, Date>
  readonly refusals: readonly GuardError[]
}

/** Reads everything but catalogues and objects, and decides. Rejects with a {@link ClockSkewError} (15). */
export async function surveyRepository(job: PruneJob): Promise<Survey> {
  const { repository, signal } = job
  const now = await repository.store.storeTime(signal)
  refuseSkew(job.now(), now)
  const sessions = await findSessions(repository, { now, expiryMs: expiryOf(job), signal })
  const entries = await listBackups(repository, { signal })
  const listed = new Set(entries.map(({ id }) => id))
  const trashed = await listTrash(repository, listed, signal)
  const holds = await readMarks(repository, HOLD, signal)
  const fences = await listFences(repository, signal)
  const question = {
    policy: job.policy,
    named: job.named === null ? null : new Set(job.named),
    holds,
    laterTags: await readMarks(repository, LATER_TAGS, signal),
    verified: await listMarked(repository, VERIFIED, signal),
    pinned: sessions.pins,
    now,
  }
  refuseUnknownSeries(job, [...entries, ...trashed])
  refuseUnknownNames(job, new Set([...listed, ...trashed.map(({ id }) => id)]))
  const backups: BackupDecision[] = []
  const refusals: GuardError[] = []
  for (const series of seriesOf(job, entries)) {
    const own: RetentionQuestion = { ...question, entries: entries.filter((each) => each.series === series) }
    const decisions = decideRetention(own)
    backups.push(...decisions)
    const refusal = job.allowShrink ? null : shrinkRefusal(own, decisions)
    if (refusal !== null) refusals.push(refusal)
  }
  refusals.push(...protectedNames(job, backups))
  const trash = trashed.map((entry) => decideTrash(job, entry, { now, holds, sessions }))
  return { now, entries, backups, trashed, trash, holds, sessions, fences, refusals }
}

export function expiryOf({ sessionExpiryMs = SESSION_EXPIRY_MS }: PruneJob): number {
  return sessionExpiryMs
}

/** With the wrong time, anything could seem old enough. */
export function refuseSkew(here: Date, store: Date): void {
  const skew = here.getTime() - store.getTime()
  if (Math.abs(skew) <= CLOCK_TOLERANCE_MS) return
  const minutes = Math.round(Math.abs(skew) / 60_000)
  const direction = skew > 0 ? 'ahead of' : 'behind'
  throw new ClockSkewError(
    `the clock of this machine (${here.toISOString()}) is ${minutes} min ${direction} that of the store (${store.toISOString()})`,
    { hint: 'nothing is removed by a wrong clock: put it right, for example with NTP, and run it again' },
  )
}

/** With names, `--purge-now` is about the named ones alone. */
export function purgesNow({ purgeNow, named }: PruneJob, id: string): boolean {
  return purgeNow && (named?.includes(id) ?? true)
}

export function decideTrash(
  job: PruneJob,
  entry: TrashedBackup | DamagedTrash,
  { now, holds, sessions }: Pick<Survey, 'now' | 'holds' | 'sessions'>,
): TrashDecision {
  const reasons = [
    ...(isHeld(holds.get(entry.id), now) ? ['held'] : []),
    ...(sessions.pins.has(entry.id) ? ['in use'] : []),
  ]
  const isPurgedNow = purgesNow(job, entry.id)
  if ('damaged' in entry) {
    const facts = { id: entry.id, series: '', removed: null, purgeAfter: null }
    if (!isPurgedNow) reasons.push('damaged')
    return { ...facts, decision: reasons.length === 0 ? 'purge' : 'keep', reasons }
  }
  const purgeAfter = Date.parse(entry.trashed) + job.graceMs
  if (!isPurgedNow && purgeAfter > now.getTime()) reasons.push('grace')
  return {
    id: entry.id,
    series: entry.series,
    removed: entry.trashed,
    purgeAfter: reasons.includes('held') ? null : new Date(purgeAfter).toISOString(),
    decision: reasons.length === 0 ? 'purge' : 'keep',
    reasons,
  }
}

/** With names: those of the named ones, each of which says which series it belongs to. */
function seriesOf({ series, named }: PruneJob, entries: readonly BackupEntry[]): readonly string[] {
  const names = entries
    .filter((entry) => named === null || named.includes(entry.id))
    .map((entry) => entry.series)
  return series === null || named !== null ? [...new Set(names)].sort() : [series]
}

/** A mistyped series would never be pruned, and nobody would be told. */
function refuseUnknownSeries(
  { series, repository }: PruneJob,
  entries: readonly { readonly id: string }[],
): void {
  if (series === null || entries.some(({ id }) => parseBackupId(id)?.series === series)) return
  throw new BackupNotFoundError(`no backup of series ${series} in ${repository.store.displayUrl}`)
}

function refuseUnknownNames({ named, repository }: PruneJob, listed: ReadonlySet<string>): void {
  if (named?.length === 0) throw new UsageError('no backup is named')
  const unknown = named?.find((id) => !listed.has(id))
  if (unknown === undefined) return
  throw new BackupNotFoundError(`no backup ${unknown} in ${repository.store.displayUrl}`)
}

/** A named backup that stays is a refusal: somebody expects it to go. */
function protectedNames({ named }: PruneJob, backups: readonly BackupDecision[]): readonly GuardError[] {
  if (named === null) return []
  return backups
    .filter(({ id, decision }) => named.includes(id) && decision === 'keep')
    .map(({ id, reasons }) => {
      const why = reasons.map((reason) => PROTECTED.get(reason) ?? reason).join(', ')
      const hint = reasons.includes('held')
        ? `release it first: "chroma-ops backup release ${id}"`
        : 'make, or verify, a newer one first'
      return new GuardError('BACKUP_PROTECTED', `${id} stays: it is ${why}`, { hint })
    })
}

const PROTECTED = new Map([
  ['newest', 'the newest complete one of its series'],
  ['verified', 'the newest verified one of its series'],
  ['in use', 'in use by a backup that is being made'],
])
