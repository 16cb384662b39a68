import type { CollectionName, Space } from '../../core/records.js'
import type { Holder } from '../../datadir/holder.js'
import type { HealthFinding, HealthLevel, HealthStatus } from '../report.js'

/** What was found out about a data directory without a server. Sizes are bytes. */
export interface DirectoryReport {
  readonly status: HealthStatus
  readonly level: HealthLevel
  /** Absolute. */
  readonly path: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly durationMs: number
  /** Null when it cannot be opened. */
  readonly database: DatabaseHealth | null
  readonly holder: Holder
  /** Where the directory is. */
  readonly disk: { readonly type: string; readonly freeBytes: number; readonly totalBytes: number } | null
  /** Of all collections; null when they were not looked at. */
  readonly indexes: {
    /** On the disk, with what belongs to no collection. */
    readonly allocatedBytes: number
    /** What a server needs to hold all of them, its caches not counted. */
    readonly memoryBytes: number
  } | null
  readonly collections: readonly DirectoryCollection[]
  /** Null when no repository was named. */
  readonly backup: LastBackup | null
  /** Null unless it was asked for. */
  readonly upgrade: UpgradeReport | null
  /** Null unless a server was named. */
  readonly server: ServerView | null
  /** Critical ones first. */
  readonly findings: readonly HealthFinding[]
}

export interface DatabaseHealth {
  /** What read it: the `node:sqlite` or `libsql` library, and the version of SQLite in it. */
  readonly library: string
  readonly sqliteVersion: string
  /** Of Chroma, that have these migrations: `1.3.0 to 1.4.x`; null when unknown. */
  readonly releases: string | null
  readonly migrations: { readonly sysdb: number; readonly metadb: number; readonly embeddingsQueue: number }
  /** It was read from a copy on which the transaction of a killed writer was rolled back. */
  readonly recovered: boolean
  readonly bytes: number
  /** In pages that hold nothing. */
  readonly freeBytes: number
  /** Null: its pages were not compared. */
  readonly checked: 'quick' | 'thorough' | null
  readonly log: {
    readonly rows: number
    readonly purgeable: number
    /** Null when nothing says so. */
    readonly purges: boolean | null
  } | null
}

export interface DirectoryCollection extends CollectionName {
  readonly id: string
  /** `unchecked`: not at this level, or it was changing all the time. */
  readonly status: HealthStatus | 'unchecked'
  readonly dimension: number | null
  readonly space: Space
  /** After what waits in the log has been applied; null when not counted. */
  readonly records: number | null
  readonly vectors: {
    /** In the files of the index. */
    readonly saved: number
    /** Writes that are only in the log yet. */
    readonly inLog: number
    readonly lost: number
    /** At most 20. */
    readonly lostIds: readonly string[]
  }
  readonly index: {
    /** With those that are marked as deleted. */
    readonly elements: number
    readonly deleted: number
    readonly bytes: number
    readonly allocatedBytes: number
    readonly memoryBytes: number
  } | null
}

/** The newest complete backup of a directory; `id` is null when there is none. */
export interface LastBackup {
  readonly id: string | null
  /** ISO 8601. */
  readonly created: string | null
  /** When it was last verified, ISO 8601; null when it never was, or that is not known. */
  readonly verified: string | null
}

export interface UpgradeReport {
  /** Releases that have the directory's migrations; null when unknown. */
  readonly from: string | null
  readonly to: string
  readonly opening: 'as it is' | 'migrating' | 'refused'
  readonly changes: readonly UpgradeChange[]
  /** Null when it was not possible to rehearse. */
  readonly rehearsal: Rehearsal | null
}

export interface UpgradeChange {
  /** Stable: `MIGRATIONS`, `SPACE_SHOWN_AS_L2`, `NO_AUTHENTICATION`, `MOUNT_MOVED`, `NO_WAY_BACK`, … */
  readonly id: string
  readonly text: string
}

/** What a server of the installed version gave back from a private copy of the directory. */
export interface Rehearsal {
  readonly durationMs: number
  readonly copiedBytes: number
  readonly collections: number
  /** Collections that are not the same afterwards, with what is different. */
  readonly differences: readonly ViewDifference[]
  /** Why the server did not start; null when it did. */
  readonly failure: string | null
}

/** A running server compared with the directory it is said to work on. */
export interface ServerView {
  readonly url: string
  readonly collections: number
  readonly differences: readonly ViewDifference[]
}

export interface ViewDifference {
  readonly collection: string
  readonly text: string
}
