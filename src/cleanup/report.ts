/** What a cleanup can be asked for, in the order in which it is done: rows go before the space they took. */
export const CLEANUP_TARGETS = ['orphans', 'wal', 'fts', 'vacuum'] as const
export type CleanupTarget = (typeof CLEANUP_TARGETS)[number]

/** One thing that a cleanup does. Sizes in bytes. */
export interface CleanupStep {
  readonly target: CleanupTarget
  /** Stable: `index-directories`, the name of a table, `full-text`, `vacuum`. */
  readonly id: string
  /** `3 index directories of no collection`. */
  readonly what: string
  readonly why: string
  /** Names of some of it, at most 5. */
  readonly evidence: readonly string[]
  /** Directories or rows. */
  readonly count: number
  /** What it holds. */
  readonly bytes: number
  /** Free space that it needs in the data directory while it runs. */
  readonly needsBytes: number
  /** Free space that it needs in the folder where SQLite keeps temporary files. */
  readonly needsTempBytes: number
  /** Space that it gives back to the file system at once. */
  readonly freesBytes: number
  /** Space that stays taken until the quarantine is emptied. */
  readonly quarantineBytes: number
  /** Whether it is refused while a server runs on the directory. */
  readonly needsServerStopped: boolean
  /** Whether there is space for it after the steps before it. */
  readonly fits: boolean
}

/** Something that was found and is not touched. */
export interface CleanupNotice {
  readonly code: string
  readonly message: string
}

export interface CleanupPlan {
  readonly directory: string
  readonly targets: readonly CleanupTarget[]
  readonly steps: readonly CleanupStep[]
  readonly notices: readonly CleanupNotice[]
  /** Where removed things go; null when they are removed for good. */
  readonly quarantine: string | null
  readonly freeBytes: number
  readonly databaseBytes: number
  /** `nobody`, `process 7 (chroma run …)`, or why it is not known. */
  readonly holder: string
  /** Sums over the steps for which there is space. */
  readonly freesBytes: number
  readonly quarantineBytes: number
}

export interface RemovedThing {
  readonly target: CleanupTarget
  readonly id: string
  readonly count: number
  readonly bytes: number
}

export interface CleanupFailure {
  /** The id of the step. */
  readonly step: string
  readonly code: string
  readonly message: string
}

/** What a cleanup did. */
export interface CleanupResult {
  readonly directory: string
  /** For `cleanup undo`; null when nothing was put into quarantine. */
  readonly run: string | null
  /** Where that is; null when there is no such run. */
  readonly quarantine: string | null
  readonly removed: readonly RemovedThing[]
  /** Given back to the file system. */
  readonly freedBytes: number
  /** Moved into the quarantine: given back when it is emptied. */
  readonly quarantinedBytes: number
  readonly errors: readonly CleanupFailure[]
  readonly notices: readonly CleanupNotice[]
  readonly durationMs: number
}
