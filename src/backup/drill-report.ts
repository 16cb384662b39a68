import type { Warning } from '../core/progress.js'
import type { CollectionName } from '../core/records.js'
import type { Comparison } from '../transfer/comparison.js'
import type { ProbeFigures } from '../transfer/probe-queries.js'

/** What a drill has shown. Times in milliseconds. */
export interface DrillReport {
  /** The backup's id. */
  readonly backup: string
  /** `findings`: everything was restored and is equal, but see {@link findings}. */
  readonly status: 'ok' | 'findings'
  readonly collections: readonly DrilledCollection[]
  /** What is not as it should be, one sentence each. */
  readonly findings: readonly string[]
  readonly records: number
  /** Bytes of records, uncompressed. */
  readonly bytes: number
  /** From nothing to a server that has everything: start, restore and comparison. */
  readonly recoveryMs: number
  readonly serverStartMs: number
  /** With the comparison. */
  readonly restoreMs: number
  readonly probeMs: number
  /** 0, or 3 with findings. */
  readonly exitCode: 0 | 3
}

export interface DrilledCollection extends CollectionName {
  readonly records: number
  /** Never null: a drill always compares. */
  readonly comparison: Comparison | null
  readonly probes: ProbeFigures
  /** What a server cannot take back as it was; no findings. */
  readonly warnings: readonly Warning[]
}
