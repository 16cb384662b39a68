import { readEvents, type StateEvent } from '../state/state-store.js'
import type { MigrationJob } from './migration-job.js'

/**
 * One thing that happened: `started`, `resumed`, `backup`, `step`, `applied`, `failed`, `interrupted`, `skipped`,
 * `reverting`, `undone`, `reverted`, `aborted`, `repaired` or `baseline`. The history is append-only.
 */
export type HistoryEntry = StateEvent

/** Oldest first. Reads only. */
export async function history(
  job: MigrationJob & { readonly version: string | null },
): Promise<readonly HistoryEntry[]> {
  return readEvents(job, job.version, job.signal)
}
