import type { Observation } from './catalogue.js'
import type { LastBackup } from './directory-report.js'

const DAY_MS = 24 * 3_600_000
const OLD_DAYS = 7

/** How old the newest complete backup is, and whether it was looked at since. */
export function backupObservations(backup: LastBackup, now: Date): readonly Observation[] {
  const { id, created, verified } = backup
  if (id === null || created === null)
    return [{ id: 'BACKUP_MISSING', evidence: 'no complete backup of it is in the repository' }]
  const days = (now.getTime() - Date.parse(created)) / DAY_MS
  const observations: Observation[] = []
  if (days > OLD_DAYS)
    observations.push({ id: 'BACKUP_OLD', evidence: `${id} was made ${Math.floor(days)} days ago` })
  if (verified === null)
    observations.push({ id: 'BACKUP_UNVERIFIED', evidence: `nothing tells of a verification of ${id}` })
  return observations
}
