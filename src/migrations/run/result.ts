import type { OpsError } from '../../core/errors.js'
import type { Warning } from '../../core/progress.js'
import type { BackupReference } from '../state/row.js'
import type { Direction } from './migration-job.js'

/**
 * What a run has done. A migration that fails is a result, not a rejection: actions reject only with what
 * stops them before the first migration is touched.
 */
export interface RunResult {
  readonly action: 'up' | 'down' | 'redo' | 'resume' | 'abort'
  readonly runId: string
  /** The newest applied version before and after; null: none. */
  readonly from: string | null
  readonly to: string | null
  /** In the order of execution; empty when there was nothing to do. */
  readonly migrations: readonly MigrationResult[]
  /**
   * Why it stopped: of `exitCode` 1 (a migration threw), 11 (lock lost), 130 (stopped at a safe place) or
   * that of the failure behind it. Null: everything that was asked for is done.
   */
  readonly error: OpsError | null
  readonly warnings: readonly Warning[]
}

export interface MigrationResult {
  readonly version: string
  readonly name: string
  readonly direction: Direction
  /** `skipped`: not for this environment. `planned`: a dry run. */
  readonly status: 'success' | 'error' | 'notExecuted' | 'skipped' | 'planned'
  /** An earlier run had begun it. */
  readonly resumed: boolean
  readonly ms: number
  readonly steps: readonly StepResult[]
  readonly backup: BackupReference | null
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
}

export interface StepResult {
  /** `docs copyAndSwap`. */
  readonly title: string
  /** `earlier`: a run before this one had finished it. */
  readonly state: 'done' | 'earlier' | 'failed' | 'planned'
  readonly records: number
  /** Texts that a provider was asked for. */
  readonly embedded: number
  /** Of a copy-and-swap: how long the live name was missing. */
  readonly gapMs: number | null
  readonly notes: readonly string[]
}
