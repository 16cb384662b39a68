import { GuardError } from '../core/errors.js'
import { isHeld, withLaterTags, type Hold, type LaterTags } from './backup-marks.js'
import type { BackupEntry } from './list-backups.js'
import type { BackupHead, BackupStatus, BackupType } from './manifest.js'
import { countsAsLatest } from './resolve-backup.js'
import { hasRules, RetentionRules, type DatedBackup, type RetentionPolicy } from './retention-policy.js'

/** Clocks that are kept in order differ by less; a backup from later than this is from the future. */
export const CLOCK_TOLERANCE_MS = 300_000

/** What becomes of one backup. */
export interface BackupDecision {
  readonly id: string
  readonly series: string
  /** ISO 8601; null when the manifest cannot be read, as are type and status. */
  readonly created: string | null
  readonly type: BackupType | null
  readonly status: BackupStatus | null
  readonly decision: 'keep' | 'remove'
  /**
   * Why it stays: rules (`last`, `hourly`, …, `within`, `tag <tag>`), `no rules`, `newest` (complete one of the
   * series), `verified` (the newest of those), `newer` than the newest complete one, `held`, `in use` by a backup
   * that is being made, `future`, `damaged`, `not named`. Empty when it goes.
   */
  readonly reasons: readonly string[]
}

export interface RetentionQuestion {
  /** The backups of one series. */
  readonly entries: readonly BackupEntry[]
  readonly policy: RetentionPolicy
  /** In place of the policy: exactly these go; null: the policy decides. */
  readonly named: ReadonlySet<string> | null
  readonly holds: ReadonlyMap<string, Hold>
  readonly laterTags: ReadonlyMap<string, { readonly tags: LaterTags }>
  /** Ids of backups that were verified; physical ones need not be among them. */
  readonly verified: ReadonlySet<string>
  /** Ids of backups that running ones rely on. */
  readonly pinned: { has(id: string): boolean }
  /** By the store's clock. */
  readonly now: Date
}

/** Decides for each backup of one series; nothing is read or changed. */
export function decideRetention(question: RetentionQuestion): readonly BackupDecision[] {
  const { entries, policy, named, verified, now } = question
  const counted = countedBackups(question)
  const rules = new RetentionRules(
    policy,
    counted.map((head) => dated(question, head)),
  )
  const remaining = counted.filter(({ id }) => named?.has(id) !== true)
  const isVerified = ({ id, type }: BackupHead) => type === 'physical' || verified.has(id)
  const newest = remaining[0] ?? counted[0]
  const newestVerified = remaining.find(isVerified) ?? counted.find(isVerified)
  return entries.map((entry) => {
    const { id, series, head } = entry
    const facts = {
      id,
      series,
      created: head?.created ?? null,
      type: head?.type ?? null,
      status: head?.status ?? null,
    }
    const reasons: string[] = []
    if (named !== null && !named.has(id)) reasons.push('not named')
    if (isHeld(question.holds.get(id), now)) reasons.push('held')
    if (question.pinned.has(id)) reasons.push('in use')
    if (head !== null) {
      if (id === newest?.id) reasons.push('newest')
      if (id === newestVerified?.id) reasons.push('verified')
    }
    if (named === null) reasons.push(...reasonsOfPolicy(question, rules, head, newest))
    return { ...facts, decision: reasons.length === 0 ? 'remove' : 'keep', reasons }
  })
}

/** Why nothing of a series should be removed now: what is newest may be what is left of an accident. */
export function shrinkRefusal(
  question: RetentionQuestion,
  decisions: readonly BackupDecision[],
): GuardError | null {
  if (question.named !== null || decisions.every(({ decision }) => decision === 'keep')) return null
  const [newest, previous] = countedBackups(question)
  if (newest === undefined) return null
  const records = newest.counts.records
  const before = previous?.counts.records ?? 0
  if (records > 0 && records * 2 >= before) return null
  const message =
    records === 0
      ? `${newest.id}, the newest backup of its series, has no records`
      : `${newest.id} has ${records} records, but ${previous?.id ?? 'the one before it'} has ${before}`
  return new GuardError('NEWEST_SHRUNK', `nothing is removed: ${message}`, {
    hint: 'check that nothing was lost; --allow-shrink removes backups nevertheless',
  })
}

/** Complete backups of the whole series that are not from the future, newest first. */
function countedBackups({ entries, now }: RetentionQuestion): readonly BackupHead[] {
  return entries
    .flatMap(({ head }) => head ?? [])
    .filter((head) => countsAsLatest(head) && !isFromFuture(head, now))
    .sort((a, b) => Date.parse(b.created) - Date.parse(a.created) || (a.id < b.id ? 1 : -1))
}

function reasonsOfPolicy(
  question: RetentionQuestion,
  rules: RetentionRules,
  head: BackupHead | null,
  newest: BackupHead | undefined,
): readonly string[] {
  if (head === null) return ['damaged']
  if (isFromFuture(head, question.now)) return ['future']
  if (!hasRules(question.policy)) return ['no rules']
  const isNewer = newest === undefined || Date.parse(head.created) > Date.parse(newest.created)
  return [...(isNewer ? ['newer'] : []), ...rules.keep(dated(question, head))]
}

function isFromFuture({ created }: BackupHead, now: Date): boolean {
  return Date.parse(created) - now.getTime() > CLOCK_TOLERANCE_MS
}

function dated({ laterTags }: RetentionQuestion, { id, created, tags }: BackupHead): DatedBackup {
  return { id, created: Date.parse(created), tags: withLaterTags(tags, laterTags.get(id)?.tags) }
}
