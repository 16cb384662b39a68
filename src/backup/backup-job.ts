import type { Progress } from '../core/progress.js'
import type { RecordSource } from '../core/records.js'
import type { BackupHead, BackupTarget, CollectionEntry } from './manifest.js'
import type { LayerRule } from './layer-rule.js'
import type { ResumedRuns } from './left-objects.js'
import type { Repository } from './repository.js'

/** What to back up, where to, and on whose behalf. */
export interface BackupJob {
  readonly repository: Repository
  /** Everything in scope; closed by the caller. */
  readonly source: RecordSource
  readonly target: BackupTarget
  /** What the source was opened for; told in the manifest. Null databases: all of the tenants. */
  readonly scope: { readonly tenants: readonly string[]; readonly databases: readonly string[] | null }
  readonly series: string
  readonly tags: Readonly<Record<string, string>>
  /**
   * `auto`, if absent: incremental where the series has a backup to build on. `incremental`: only then. `full`:
   * everything is stored anew. `collection`: a selection, which {@link collections} must name.
   */
  readonly type?: 'auto' | 'full' | 'incremental' | 'collection' | undefined
  /** When collections get layers and when a new base; rarely to be changed. */
  readonly layers?: Partial<LayerRule> | undefined
  /** Patterns `[[tenant/]database/]name`; empty or absent: every collection. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** Goes on from what killed runs of the series have stored; true if absent. */
  readonly resume?: boolean | undefined
  /** Asked once everything was read: true makes the backup `partial`, though nothing is seen to lack. */
  readonly isDoubtful?: (() => boolean) | undefined
  readonly allowEmpty: boolean
  readonly allowShrink: boolean
  /** Free text, for the manifest. */
  readonly actor: string
  readonly host: string
  readonly toolVersion: string
  readonly now: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
  /** Objects written at the same time; 4 if absent. */
  readonly concurrency?: number | undefined
}

export interface BackupSummary {
  /** As it was committed. */
  readonly head: BackupHead
  readonly collections: readonly CollectionEntry[]
  /** Collections of which nothing had to be stored, because an earlier backup has the same records. */
  readonly unchangedCollections: number
  /** Null: there was no killed run to go on from. */
  readonly resumed: ResumedRuns | null
  /** 0: complete. 3: partial. 4: vectors are lost at the source. */
  readonly exitCode: 0 | 3 | 4
}

/** What a backup would do; nothing has been written. */
export interface BackupPlan {
  readonly series: string
  readonly type: 'full' | 'incremental' | 'collection'
  /** The backup that it would build on, null for none. */
  readonly parent: string | null
  readonly collections: readonly PlannedBackupCollection[]
  readonly records: number
  /** An estimate of the records' bytes before compression. */
  readonly logicalBytes: number
  /** The newest complete backup of the series, against which shrinking is measured; null when there is none. */
  readonly previous: { readonly id: string; readonly records: number; readonly durationMs: number } | null
  /** Guards that would refuse the backup. */
  readonly refusals: readonly { readonly code: string; readonly message: string }[]
}

export interface PlannedBackupCollection {
  readonly tenant: string
  readonly database: string
  readonly name: string
  /** As the source counts them. */
  readonly records: number
  readonly dimension: number | null
  readonly logicalBytes: number
}
