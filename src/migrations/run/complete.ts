import type { MigrationJob } from './migration-job.js'

export interface CompleteJob extends MigrationJob {
  /** Only what was kept by this version; null: by any. */
  readonly version: string | null
  /** Also what is still to be kept. Without it: only what is older than its keep time. */
  readonly early: boolean
  readonly apply: boolean
}

/** A collection that a migration has replaced or dropped, and kept for the way back. */
export interface KeptCollection {
  readonly name: string
  readonly id: string
  /** The migration. */
  readonly version: string
  readonly kind: 'replaced' | 'trash'
  readonly records: number
  /** ISO 8601; null: for ever. */
  readonly keepUntil: string | null
  /** Whether it is dropped by this run. */
  readonly due: boolean
}

export interface CompleteResult {
  readonly applied: boolean
  readonly collections: readonly KeptCollection[]
}

/** Drops old collections whose time is over; there is no way back past their migrations afterwards. */
export async function complete(_job: CompleteJob): Promise<CompleteResult> {
  throw new Error('not there yet')
}
