import type { MigrationJob } from './migration-job.js'
import type { RunResult } from './result.js'

/**
 * Continues the one migration that was begun and not finished, up or down, and no other. Rejects with a
 * MigrationUndecidedError `HISTORY_CHANGED` (17) when a step that is done reads otherwise now.
 */
export async function resume(_job: MigrationJob): Promise<RunResult> {
  throw new Error('not there yet')
}

/**
 * Gives the one unfinished migration up: what it has built beside the data is dropped, a swap that was begun
 * is taken back, and the steps that were finished are undone. Rejects with an {@link IrreversibleError} (15)
 * when one of those cannot be undone; nothing has changed then.
 */
export async function abort(_job: MigrationJob & { readonly dryRun: boolean }): Promise<RunResult> {
  throw new Error('not there yet')
}
