import type { RepositoryStatus } from '../backup/repository-status.js'
import type { HealthFinding, HealthStatus, Severity } from '../health/report.js'
import { duration } from '../output/format.js'

/** How old things may be; null: it does not matter. Milliseconds. */
export interface AgeLimits {
  readonly backup: number | null
  readonly verified: number | null
  readonly drill: number | null
}

export interface StatusFinding {
  /** Stable, machine-readable. */
  readonly id: string
  readonly severity: Severity
  readonly message: string
}

export interface HealthOfInstance {
  readonly status: HealthStatus
  /** Null for a directory. */
  readonly reachable: boolean | null
  readonly heartbeatMs: number | null
  readonly findings: readonly Pick<HealthFinding, 'id' | 'severity' | 'evidence'>[]
}

/** Clocks that are kept in order differ by less. */
const TOLERANCE_MS = 60_000

export function healthFindings({ findings }: HealthOfInstance): readonly StatusFinding[] {
  const serious = findings.filter(({ severity }) => severity !== 'info')
  return serious.map(({ id, severity, evidence }) => ({ id, severity, message: evidence }))
}

/** What is wrong with the backups of a series. */
export function backupFindings(
  status: RepositoryStatus,
  limits: AgeLimits,
  now: Date,
): readonly StatusFinding[] {
  const { lastBackup, newest, unreadable, sessions } = status
  const findings: StatusFinding[] = []
  const add = (id: string, severity: Severity, message: string) => findings.push({ id, severity, message })
  if (lastBackup === null) add('NO_BACKUP', 'warning', `there is no complete backup of ${status.series}`)
  else {
    const age = now.getTime() - Date.parse(lastBackup.created)
    if (age < -TOLERANCE_MS)
      add('BACKUP_FROM_FUTURE', 'warning', `${lastBackup.id} was made at a time that is yet to come`)
    if (limits.backup !== null && age > limits.backup)
      add(
        'BACKUP_STALE',
        'warning',
        `the last backup is ${duration(age)} old (limit: ${duration(limits.backup)})`,
      )
    findings.push(
      ...tooOld('VERIFIED', 'verified', status.lastVerified, limits.verified, now),
      ...tooOld('DRILL', 'restored for trial', status.lastDrill, limits.drill, now),
    )
  }
  if (newest?.status === 'partial')
    add('BACKUP_PARTIAL', 'warning', `the newest backup, ${newest.id}, is partial`)
  if (unreadable.length > 0)
    add('BACKUP_UNREADABLE', 'warning', `manifests that cannot be read: ${unreadable.slice(0, 5).join(', ')}`)
  for (const { backup, state, actor, host } of sessions)
    if (state === 'dead')
      add('RUN_DIED', 'info', `a run of ${actor ?? 'somebody'} on ${host ?? 'a machine'} died: ${backup}`)
  return findings
}

function tooOld(
  id: string,
  what: string,
  last: string | null,
  limit: number | null,
  now: Date,
): StatusFinding[] {
  if (limit === null) return []
  if (last === null)
    return [{ id: `${id}_NEVER`, severity: 'warning', message: `no backup was ever ${what}` }]
  const age = now.getTime() - Date.parse(last)
  if (age <= limit) return []
  const message = `no backup was ${what} for ${duration(age)} (limit: ${duration(limit)})`
  return [{ id: `${id}_STALE`, severity: 'warning', message }]
}
