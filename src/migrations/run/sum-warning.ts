import path from 'node:path'

import type { Warning } from '../../core/progress.js'
import type { MigrationJob } from './migration-job.js'
import type { KnownMigration } from './select.js'

/**
 * That the files are not what `chroma-ops.sum` beside them says, where there is one: `migrate validate` is the judge of
 * that, and whoever applies them should hear of it. It is told at once.
 */
export async function warnOfSum(
  job: Pick<MigrationJob, 'directory' | 'migrations' | 'progress'>,
  files: readonly KnownMigration[],
): Promise<readonly Warning[]> {
  if (job.migrations !== undefined) return []
  const { readSum, sumProblems, SUM_FILE } = await import('../files/sum-file.js')
  const sum = await readSum(job.directory, SUM_FILE)
  if (sum === null) return []
  const [first, ...others] = sumProblems(files, sum, SUM_FILE)
  if (first === undefined) return []
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const warning: Warning = {
    code: 'MIGRATION_SUM_MISMATCH',
    message:
      `${path.basename(first.file)} ${first.message}${more}: see "chroma-ops migrate validate", ` +
      'and when the files are as they should be: "chroma-ops migrate validate --update-sum"',
  }
  job.progress.warn(warning)
  return [warning]
}
