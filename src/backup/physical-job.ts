import type { Progress } from '../core/progress.js'
import type { LeftOut } from '../datadir/snapshot-scan.js'
import type { ResumedRuns } from './left-objects.js'
import type { BackupHead, CollectionEntry } from './manifest.js'
import type { Repository } from './repository.js'

/** A data directory to back up by its files, where to, and on whose behalf. */
export interface PhysicalBackupJob {
  readonly repository: Repository
  /** Absolute; a server may be working on it. */
  readonly directory: string
  /** Takes the database of a live directory and what changes meanwhile. */
  readonly tempDir: string
  readonly series: string
  readonly tags: Readonly<Record<string, string>>
  /** Goes on from what killed runs of the series have stored; true if absent. */
  readonly resume?: boolean | undefined
  readonly allowEmpty: boolean
  readonly allowShrink: boolean
  /** How long writers of a live directory may be kept waiting, in milliseconds; 5000 if absent. */
  readonly maxStallMs?: number | undefined
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

export interface PhysicalBackupSummary {
  /** As it was committed. */
  readonly head: BackupHead
  readonly collections: readonly CollectionEntry[]
  readonly files: number
  /** Bytes of blocks that no earlier backup had. */
  readonly newBlockBytes: number
  /** What is neither a file nor a folder, and so is not in the backup. */
  readonly leftOut: readonly LeftOut[]
  /** For how long writers were kept waiting, in milliseconds. */
  readonly lockedMs: number
  /** What is wrong with the directory, one sentence each. */
  readonly problems: readonly string[]
  /** Null: there was no killed run to go on from. */
  readonly resumed: ResumedRuns | null
  /** 0: complete. 4: the directory is damaged, and so is its copy. */
  readonly exitCode: 0 | 4
}
