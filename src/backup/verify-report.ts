import type { ObjectProblem } from './errors.js'
import type { BackupType } from './manifest.js'

/** What a verification read and what it found. */
export interface VerifyReport {
  /** The backup's id. */
  readonly backup: string
  readonly series: string
  readonly type: BackupType
  readonly status: 'ok' | 'damaged'
  /** Share of the objects that was read, 1 for all of them. */
  readonly sample: number
  /**
   * `stored`: every stored byte against its checksum. `records`: also every record against its digests, or every
   * block of a file against its content id.
   */
  readonly depth: 'stored' | 'records'
  readonly objects: {
    /** Objects that the backup needs. */
    readonly total: number
    readonly checked: number
    /** Stored bytes that were read. */
    readonly bytes: number
    /** Did not match at first, but did when they were read again. */
    readonly reread: number
  }
  readonly collections: number
  /** Records of the backup; with depth `records` and no sample, each was checked, unless the backup is physical. */
  readonly records: number
  readonly problems: readonly VerifyProblem[]
  readonly durationMs: number
  /** 0, or 13 when damaged. */
  readonly exitCode: 0 | 13
}

export interface VerifyProblem {
  /** Such as `OBJECT_ALTERED` or `MANIFEST_DAMAGED`. */
  readonly code: string
  readonly problem: ObjectProblem | 'manifest'
  readonly key: string
  readonly message: string
  /** Display names of the collections of this backup that need the object. */
  readonly collections: readonly string[]
  /** Ids of all backups that need the object, this one included. */
  readonly backups: readonly string[]
}
