import { plural } from '../../core/plural.js'
import { readState } from '../state/state-store.js'
import { ownNames } from '../run/back-up.js'
import { requireEnvironment, rowsHere } from '../run/environment.js'
import { loadKnown } from '../run/load-known.js'
import type { MigrationJob } from '../run/migration-job.js'
import { requireOrder } from '../run/order.js'
import { selectPending } from '../run/select.js'
import { runCheck } from '../run/check-context.js'
import { warnOfSum } from '../run/sum-warning.js'
import { withScratch } from '../run/session.js'
import { buildPlan } from './build-plan.js'
import type { MigrationPlan, PlanNote } from './migration-plan.js'
import { problemOf } from './plan-problem.js'

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
 * on a sample. No embedding provider is asked. Rejects like `up`, but for what a flag of `up` allows and for a
 * missing repository, which are told in the plan.
 */
export async function plan(job: PlanJob): Promise<MigrationPlan> {
  const files = await loadKnown(job)
  await warnOfSum(job, files)
  const contents = await readState(job, job.signal)
  requireEnvironment(job.environment, contents)
  const rows = rowsHere(contents, files, job.environment)
  const selection = selectPending({ files, rows, limit: job.limit, to: job.to })
  requireOrder({ ...job, rows: contents.rows, selection, recorded: null })
  return withScratch(job, async (scratch) => {
    const built = await buildPlan({ ...job, ...scratch, contents, selection })
    requireOrder({ ...job, rows: contents.rows, selection, recorded: built.recorded })
    const notes: PlanNote[] = [...built.plan.warnings]
    if (!contents.exists && !job.adopt && selection.selected.length > 0) {
      const names = await ownNames(job, job.signal)
      if (names.length > 0) notes.push(noHistory(selection.selected[0]?.file.version ?? '', names.length))
    }
    const first = selection.selected.find(({ resumed }) => !resumed)
    if (first !== undefined && first === selection.selected[0]) {
      await runCheck(first.file, { ...job, tempDir: scratch.tempDir })
    }
    const { backup } = built.plan
    const problem = backup.needed ? await backupProblem(job) : null
    return { ...built.plan, warnings: notes, backup: { ...backup, problem } }
  })
}

/** Why no backup could be made now; null: it could. */
async function backupProblem({ backup, signal }: PlanJob): Promise<string | null> {
  if (backup === null) return 'there is no repository for it: name one with --repo'
  try {
    await backup.check(signal)
    return null
  } catch (error) {
    return problemOf(error, signal)
  }
}

function noHistory(version: string, collections: number): PlanNote {
  return {
    ...{ version, step: null, code: 'NO_HISTORY' },
    message:
      `the database has ${plural(collections, 'collection')} and no history of migrations: ` +
      'say which it has already with "chroma-ops migrate baseline <version>", or with --adopt that it has none',
  }
}
