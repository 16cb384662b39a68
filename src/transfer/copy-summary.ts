import type { Warning } from '../core/progress.js'
import type { CollectionName } from '../core/records.js'
import type { Difference, Tolerated } from './comparison.js'
import type { PlannedAction, PlannedCollection, RestoreMode } from './restore-plan.js'
import type { LimitReport, LimitsKind } from './target-limits.js'

export type CopyAction = Exclude<PlannedAction, 'already-restored'> | 'already-copied' | 'sync'

/** What was written to the source while it was copied, as far as that shows. */
export interface CopyConsistency {
  /** `quiesced`: nothing. */
  readonly kind: 'quiesced' | 'fuzzy'
  /** Ids that came to the source during the last pass; they are not in the copy. */
  readonly added: number
  /** Ids that were listed at the beginning of the last pass, and were gone at its end. */
  readonly removed: number
  /** Ids that were listed and could not be fetched any more. */
  readonly missing: number
  /** Records that the last pass found changed since the one before, and wrote. */
  readonly changed: number
}

export interface CollectionCopied {
  readonly source: CollectionName
  readonly target: CollectionName
  /** The id that the target gave it. */
  readonly id: string
  readonly action: Exclude<CopyAction, 'refuse'>
  /** Records of the source, as read last. */
  readonly records: number
  /** Records written by this run, changed ones included; some more than once where the source was written to. */
  readonly written: number
  readonly changed: number
  readonly deleted: number
  /** Records that only the target has; more than 0 only where they were to stay. */
  readonly extra: number
  /** Records of the source that have no vector: a server cannot take them. */
  readonly withoutVector: number
  /** How often source and target were compared. */
  readonly passes: number
  /**
   * The last comparison, record by record, found no difference. False: what differed was written, and read back.
   * Null: it was not compared by this run.
   */
  readonly equal: boolean | null
  /** The records are in another order than in the source. */
  readonly orderDiffers: boolean
  readonly tolerated: Tolerated
  /** Null when nothing was read by this run. */
  readonly consistency: CopyConsistency | null
  /** The name under which the replaced collection stays; null when there is none or it was dropped. */
  readonly keptAs: string | null
  /** What could not be taken over exactly. */
  readonly warnings: readonly Warning[]
}

export interface CopySummary {
  /** The servers, without credentials. */
  readonly from: string
  readonly to: string
  readonly mode: RestoreMode
  readonly sync: boolean
  readonly collections: readonly CollectionCopied[]
  readonly records: number
  readonly written: number
  readonly changed: number
  readonly deleted: number
  readonly durationMs: number
  /** Every collection that was compared was equal; null when none was. */
  readonly equal: boolean | null
  /** 0; 3 when the source was written to and the copy is not equal to it; 4 when vectors of the source are lost. */
  readonly exitCode: 0 | 3 | 4
}

/** What a copy is going to do; nothing has been written. */
export interface CopyPlan {
  readonly from: string
  readonly to: string
  readonly mode: RestoreMode
  readonly sync: boolean
  /** What the records were checked against. */
  readonly limits: LimitsKind
  readonly collections: readonly PlannedCopy[]
  readonly createTenants: readonly string[]
  /** `tenant/database` */
  readonly createDatabases: readonly string[]
  readonly records: number
  /** Bytes of records, uncompressed. */
  readonly bytes: number
  /** Everything fits into the target. */
  readonly fits: boolean
  /** Why the copy would be refused; empty when it would run. */
  readonly refusals: readonly Warning[]
  /** 0; 3 when something does not fit; 15 when the copy would be refused. */
  readonly exitCode: 0 | 3 | 15
}

export interface PlannedCopy extends Omit<PlannedCollection, 'action'> {
  readonly action: CopyAction
  /** Records without a vector; they would stay out. */
  readonly withoutVector: number
  /** What the target would make otherwise. */
  readonly changes: readonly Warning[]
  /** What the target would refuse. */
  readonly limits: LimitReport
  /** What is to be written where the collection exists and is filled; null otherwise. */
  readonly difference: PlannedDifference | null
}

export interface PlannedDifference {
  readonly missing: number
  readonly differing: number
  /** Of them, those that would be written over. */
  readonly changes: number
  /** Records that only the target has. */
  readonly extra: number
  /** Of them, those that would be deleted. */
  readonly deletes: number
  readonly samples: readonly Difference[]
}
