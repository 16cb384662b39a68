import type { BackupJob, BackupSummary } from './backup-job.js'

export async function createBackup(job: BackupJob): Promise<BackupSummary> {
  return Promise.reject(new Error(`in the making: ${job.series}`))
}
