import type { MigrationJob } from '../run/migration-job.js'
import type { MigrationPlan } from './migration-plan.js'

export interface PlanJob extends MigrationJob {
  readonly limit: number | null
  readonly to: string | null
  readonly execOrder: 'linear' | 'non-linear'
  readonly skipBackup: boolean
  readonly adopt: boolean
  /** Records of each collection that the functions of the migrations are tried on. */
  readonly sample: number
}

/**
 * What `up` would do, found out without writing anything: the operations are recorded, and their functions run
 * on a sample. No embedding provider is asked. Rejects like `up`, but for what a flag of `up` allows, which is
 * told in the plan.
 */
export async function plan(_job: PlanJob): Promise<MigrationPlan> {
  throw new Error('not there yet')
}
