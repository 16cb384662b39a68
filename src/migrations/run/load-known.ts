import type { MigrationJob } from './migration-job.js'
import type { KnownMigration } from './select.js'

/** The migrations of a job, ascending by version. Rejects with the errors of the files (2). */
export async function loadKnown(job: MigrationJob): Promise<readonly KnownMigration[]> {
  if (job.migrations !== undefined) return job.migrations
  throw new Error('not there yet')
}
