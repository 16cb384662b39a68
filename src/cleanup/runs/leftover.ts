import type { CleanupFailure } from '../report.js'

/** Something that a run of chroma-ops left when it was killed. */
export interface Leftover {
  readonly kind: 'session' | 'temporary' | 'shadow' | 'lock'
  /** A key of the repository, a path, or `tenant/database/name`. */
  readonly name: string
  /** Why it counts as dead: `no sign of life for 3 days`. */
  readonly why: string
  /** Null where that is not known. */
  readonly bytes: number | null
}

/** What another command has to decide about. */
export interface LeftAlone {
  /** `tenant/database/name`. */
  readonly name: string
  readonly why: string
  /** What to run, for people. */
  readonly command: string
}

/** Where to look, and how to remove what is found there. */
export interface LeftoverPlace {
  find(signal: AbortSignal | undefined): Promise<readonly Leftover[]>
  remove(leftover: Leftover, signal: AbortSignal | undefined): Promise<void>
  /** Absent: nothing. */
  leftAlone?(signal: AbortSignal | undefined): Promise<readonly LeftAlone[]>
}

export interface RunsResult {
  readonly applied: boolean
  /** Removed, or what would be. */
  readonly removed: readonly Leftover[]
  readonly leftAlone: readonly LeftAlone[]
  readonly freedBytes: number
  readonly errors: readonly CleanupFailure[]
  readonly durationMs: number
}
