/** What `up` would do. As JSON it is the plan file that `up --plan` binds itself to. */
export interface MigrationPlan {
  /** `chroma-ops-plan`. */
  readonly format: string
  readonly formatVersion: number
  readonly createdAt: string
  readonly displayUrl: string
  readonly tenant: string
  readonly database: string
  readonly environment: string | null
  /** The newest applied version before and after; null: none. */
  readonly from: string | null
  readonly to: string | null
  readonly migrations: readonly PlannedMigration[]
  /** The collections that are touched, as they are now. */
  readonly collections: readonly PlannedCollection[]
  /** Whether a backup will be made, and why it could not be made now. */
  readonly backup: {
    readonly needed: boolean
    /** The migrations that need one. */
    readonly versions: readonly string[]
    readonly collections: readonly string[]
    readonly problem: string | null
  }
  /** `free`, or who holds it. */
  readonly lock: string
  readonly destructive: readonly PlanNote[]
  readonly warnings: readonly PlanNote[]
}

export interface PlanNote {
  readonly version: string
  readonly step: number | null
  readonly code: string
  readonly message: string
}

export interface PlannedCollection {
  readonly name: string
  readonly id: string
  readonly dimension: number | null
  readonly space: string
  /** SHA-256 of configuration and metadata. */
  readonly configuration: string
  readonly count: number
}

export interface PlannedMigration {
  readonly version: string
  readonly name: string
  readonly description: string
  readonly checksum: string
  /** `skip`: not for this environment. `resume`: begun by an earlier run. */
  readonly action: 'apply' | 'resume' | 'skip'
  /** `always`, `restore`: from the backup, `irreversible`, or ISO 8601: until then. */
  readonly reversible: string
  readonly startup: 'allowed' | 'never'
  readonly steps: readonly PlannedStep[]
}

export interface PlannedStep {
  /** From 1. */
  readonly number: number
  readonly title: string
  /** Done by an earlier run. */
  readonly done: boolean
  /** Not simulated: code of one's own. */
  readonly opaque: boolean
  readonly destructive: boolean
  /** `l2→cosine`, `384→1536`, `→ imports`, … */
  readonly changes: readonly string[]
  /** Of the collection that is read; null: none is, or it does not exist before this step. */
  readonly records: number | null
  readonly sample: SampledRecords | null
  readonly embedding: PlannedEmbedding | null
  /** Beside what is there now, at the worst moment. */
  readonly peakBytes: number | null
  /** How long the live name will be missing, in milliseconds, about. */
  readonly gapMs: number | null
  readonly notes: readonly string[]
}

/** What the functions of a migration did to a sample. */
export interface SampledRecords {
  readonly records: number
  readonly changed: number
  readonly dropped: number
}

/** Estimated from the sample, unless it was the whole collection. */
export interface PlannedEmbedding {
  readonly model: string
  readonly texts: number
  readonly uniqueTexts: number
  /** Of the unique ones: paid for already. */
  readonly cached: number
  /** Four characters each, about. */
  readonly tokens: number
  /** Null: no price was given. */
  readonly cost: number | null
  /** At the calls per minute that the migration allows; null: no limit was given. */
  readonly seconds: number | null
}
