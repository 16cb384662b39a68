import type { MigrationJob } from './migration-job.js'

/** One thing that happened; the history is append-only. */
export interface HistoryEntry {
  /** ISO 8601. */
  readonly at: string
  readonly version: string
  readonly attempt: number
  /** `started`, `step`, `applied`, `failed`, `interrupted`, `reverted`, `backup`, `repaired`, … */
  readonly event: string
  readonly message: string
  readonly actor: string
  readonly runId: string
}

/** Oldest first. Reads only. */
export async function history(
  _job: MigrationJob & { readonly version: string | null },
): Promise<readonly HistoryEntry[]> {
  throw new Error('not there yet')
}
