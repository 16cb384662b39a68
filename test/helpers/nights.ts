import type { BackupJob } from '../../src/backup/backup-job.js'
import type { Repository } from '../../src/backup/repository.js'
import { collectionOf, jobOf, numberedBatch, sourceOf } from './backups.js'

/** A backup of one collection that never changes, and one that has other records for each `night`. */
export function nightlyJob(repository: Repository, night: string, now: () => Date): BackupJob {
  const steady = collectionOf('steady', [numberedBatch(60, 3, 's')])
  const changing = collectionOf('changing', [numberedBatch(40, 3, `night${night}-`)])
  return jobOf(repository, sourceOf(steady, changing), { now })
}
