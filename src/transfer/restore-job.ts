import type { ChromaApi } from '../chroma/api.js'
import type { Progress } from '../core/progress.js'
import type { CollectionDefinition, CollectionName, RecordSource } from '../core/records.js'
import type { RestoreMode } from './restore-plan.js'

/** What is restored, and what identifies it over several runs. */
export interface RestoreOrigin {
  readonly source: RecordSource
  /** The same in every run that shall continue another: the id of the backup. */
  readonly id: string
}

/** One collection to restore. */
export interface RestoreItem {
  readonly definition: CollectionDefinition
  readonly target: CollectionName
  /** Changes when the records do: a digest. */
  readonly content: string
  readonly records: number
  /** Bytes of the records, uncompressed. */
  readonly bytes: number
}

export interface RestoreRecordsJob {
  readonly origin: RestoreOrigin
  readonly items: readonly RestoreItem[]
  readonly api: ChromaApi
  readonly mode: RestoreMode
  /** With `replace`: the replaced collection is deleted after the swap. */
  readonly dropOld: boolean
  /** Whether every restored collection is compared with its source before it gets its name. */
  readonly compare: boolean
  /** Where a small journal may be kept until the restore is complete; null: nowhere. */
  readonly stateDir: string | null
  /** Requests under way at once, where the order does not matter. */
  readonly concurrency: number | undefined
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}
