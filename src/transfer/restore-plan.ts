import type { Warning } from '../core/progress.js'
import type { CollectionName } from '../core/records.js'
import type { Comparison } from './comparison.js'

/**
 * What happens to a collection that exists already under the target name.
 * `create`: the restore is refused. `replace`: it is swapped for the restored one. `missing`: records that it
 * lacks are added. `overwrite`: its records are made equal to the backup's, others are deleted.
 */
export type RestoreMode = 'create' | 'replace' | 'missing' | 'overwrite'

/** Records of a backup that were erased later, and that a restore leaves out. */
export interface ErasedRecords {
  /** Display name, in the backup. */
  readonly collection: string
  readonly records: number
}

/** What a restore is going to do; nothing has been written. */
export interface RestorePlan {
  /** The backup's id. */
  readonly backup: string
  /** The server, without credentials. */
  readonly url: string
  readonly mode: RestoreMode
  readonly collections: readonly PlannedCollection[]
  /** Names of tenants that will be created. */
  readonly createTenants: readonly string[]
  /** `tenant/database` that will be created. */
  readonly createDatabases: readonly string[]
  readonly records: number
  /** Bytes of records, uncompressed; an estimate. */
  readonly bytes: number
  /** Why the restore would be refused; empty when it would run. */
  readonly refusals: readonly Warning[]
  readonly warnings: readonly Warning[]
  /** What stays out because it was erased since the backup. */
  readonly erased: readonly ErasedRecords[]
}

export type PlannedAction =
  | 'create'
  | 'replace'
  | 'add-missing'
  | 'overwrite'
  /** An earlier, interrupted run of the same restore has committed it. */
  | 'already-restored'
  | 'refuse'

export interface PlannedCollection {
  /** Where it was when it was backed up. */
  readonly source: CollectionName
  readonly target: CollectionName
  readonly action: PlannedAction
  /** Continues what an interrupted run has written. */
  readonly resumes: boolean
  readonly records: number
  readonly bytes: number
  /** Records of the collection that has the target name now; null when there is none. */
  readonly existingRecords: number | null
}

export interface RestoreSummary {
  readonly backup: string
  readonly url: string
  readonly mode: RestoreMode
  readonly collections: readonly CollectionRestored[]
  readonly records: number
  /** Records written to the server by this run; less than `records` when a run was resumed. */
  readonly written: number
  readonly bytes: number
  readonly durationMs: number
  /** Every collection was compared with the backup, record by record, and is equal; null when not compared. */
  readonly equal: boolean | null
  /** What the backup itself does not have whole. */
  readonly warnings: readonly Warning[]
  /** What stayed out because it was erased since the backup. */
  readonly erased: readonly ErasedRecords[]
  /** 0, or 3 when the backup does not have everything that was asked for. */
  readonly exitCode: 0 | 3
}

export interface CollectionRestored {
  readonly source: CollectionName
  readonly target: CollectionName
  /** The id that the server gave it. */
  readonly id: string
  readonly action: Exclude<PlannedAction, 'refuse'>
  readonly records: number
  readonly written: number
  /** Records removed because the backup does not have them, or before they were written anew (`overwrite`). */
  readonly deleted: number
  /** Records of the backup that have no vector: a server cannot take them. */
  readonly withoutVector: number
  readonly comparison: Comparison | null
  /** The name under which the replaced collection stays; null when there is none or it was dropped. */
  readonly keptAs: string | null
  /** What could not be brought back exactly. */
  readonly warnings: readonly Warning[]
}
