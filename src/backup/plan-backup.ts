import type { BackupJob, BackupPlan } from './backup-job.js'

export async function planBackup(job: BackupJob): Promise<BackupPlan> {
  return Promise.reject(new Error(`in the making: ${job.series}`))
}
