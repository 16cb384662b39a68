import type { Warning } from '../core/progress.js'
import type { BackupHead } from './manifest.js'

/** Clocks that are kept in order differ by less. */
const TOLERANCE_MS = 60_000

/**
 * Tells of a backup that was made later than now, by a machine whose clock ran ahead; null when there is
 * nothing to tell. Until its time has come it stays `latest`, whatever is backed up meanwhile.
 */
export function clockWarning(head: Pick<BackupHead, 'id' | 'created' | 'host'>, now: Date): Warning | null {
  if (Date.parse(head.created) - now.getTime() <= TOLERANCE_MS) return null
  return {
    code: 'BACKUP_FROM_FUTURE',
    message: `${head.id} says that it was made at ${head.created}, which is yet to come: the clock of ${head.host} ran ahead, or this one is behind; until then it counts as the latest, before backups that are newer`,
  }
}
