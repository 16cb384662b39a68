import type { Progress } from '../core/progress.js'
import type { BackupDecision } from './decide-retention.js'
import type { Repository } from './repository.js'
import type { RetentionPolicy } from './retention-policy.js'

/** What stays, what may go, and on whose behalf. */
export interface PruneJob {
  readonly repository: Repository
  readonly policy: RetentionPolicy
  /** The series that the policy is for; null: each one by itself. */
  readonly series: string | null
  /** Ids: exactly these are removed, whatever the policy says; null: the policy decides. */
  readonly named: readonly string[] | null
  /** How long a removed backup can be put back, and how old an object must be that belongs to no backup. */
  readonly graceMs: number
  /** What was removed, now or earlier, is purged at once, whatever the grace. */
  readonly purgeNow: boolean
  /** Removes although the newest backup of a series has no records, or less than half of the one before. */
  readonly allowShrink: boolean
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
  /** A run without a sign of life for so long, by the store's clock, is given up; default a day. */
  readonly sessionExpiryMs?: number | undefined
}

export interface ApplyPruneJob extends PruneJob {
  readonly actor: string
  readonly host: string
  /** The caller promises that nothing else maintains the repository; for stores without conditional writes. */
  readonly singleWriter: boolean
  readonly leaseTtlMs?: number | undefined
}

export interface ObjectFigures {
  readonly objects: number
  /** Stored bytes. */
  readonly bytes: number
}

/** A backup that was removed earlier. */
export interface TrashDecision {
  readonly id: string
  readonly series: string
  /** ISO 8601; null when its entry is damaged. */
  readonly removed: string | null
  /** From when on it is purged, ISO 8601; null: not before somebody acts. */
  readonly purgeAfter: string | null
  readonly decision: 'keep' | 'purge'
  /** Why it stays: `grace`, `held`, `in use`, `damaged`. */
  readonly reasons: readonly string[]
}

/** Why it is not known what is needed; as long as there is one of these, no object is deleted. */
export interface PurgeObstacle {
  readonly backup: string
  readonly code: string
  readonly message: string
  readonly hint: string
}

/** What prune would do, or did. */
export interface PruneResult {
  readonly applied: boolean
  /** ISO 8601, by the store's clock. */
  readonly now: string
  /** Of the series that were looked at, newest first within each. */
  readonly backups: readonly BackupDecision[]
  readonly trash: readonly TrashDecision[]
  /** Everything that is stored for backups before this run. */
  readonly stored: ObjectFigures
  /** Deleted by this run. */
  readonly freed: ObjectFigures
  /** What later runs can delete: needed only by removed backups that can still be put back, or left over and young. */
  readonly freedLater: ObjectFigures
  readonly obstacles: readonly PurgeObstacle[]
  /** Guards that refuse the run. */
  readonly refusals: readonly {
    readonly code: string
    readonly message: string
    readonly hint: string | null
  }[]
  /** Ids of backups that are being made. */
  readonly running: readonly string[]
  /** Ids of backups whose run was given up. */
  readonly givenUp: readonly string[]
}
