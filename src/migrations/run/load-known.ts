import { throwIfAborted } from '../../core/errors.js'
import type { MigrationJob } from './migration-job.js'
import type { KnownMigration } from './select.js'

/** The migrations of a job, ascending by version. Rejects with the errors of the files (2). */
export async function loadKnown(job: MigrationJob): Promise<readonly KnownMigration[]> {
  if (job.migrations !== undefined) return job.migrations
  // Only what reads files has to wait for the loader.
  const { loadMigrations } = await import('../files/load-migrations.js')
  const loaded = await loadMigrations({ dir: job.directory, signal: job.signal })
  throwIfAborted(job.signal)
  return loaded
}
