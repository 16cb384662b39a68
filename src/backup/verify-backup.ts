import type { Progress } from '../core/progress.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import type { VerifyReport } from './verify-report.js'

export interface VerifyJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Share of the objects to read, above 0 up to 1; absent: all. Which ones is decided by chance. */
  readonly sample?: number | undefined
  /** `stored` if absent. */
  readonly depth?: 'stored' | 'records' | undefined
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export async function verifyBackup(job: VerifyJob): Promise<VerifyReport> {
  return Promise.reject(new Error(`in the making: ${job.head.id}`))
}
