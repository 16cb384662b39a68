import type { ChromaApi } from '../../chroma/api.js'
import type { OfficialClient } from '../../chroma/official-client.js'
import type { Progress } from '../../core/progress.js'
import type { BackupBeforeChange } from '../backup-port.js'
import type { KnownMigration } from './select.js'

/** What every action works with. One database of one server has one history. */
export interface MigrationJob {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
  /** The folder of the migrations. */
  readonly directory: string
  /** Instead of what is in the folder, ascending by version: for programs and tests. */
  readonly migrations?: readonly KnownMigration[] | undefined
  /**
   * What this run takes the database to be, such as `production`; null: nothing said. The first run that
   * names one stamps the database; a later one that names another is refused.
   */
  readonly environment: string | null
  /** Who runs this; kept in the history. */
  readonly actor: string
  readonly toolVersion: string
  readonly lock: LockOptions
  /** Requests in flight. */
  readonly concurrency: number
  /** For temporary files; whatever is made in it is removed at the end. */
  readonly tempDir: string
  /** Keeps vectors that were paid for, between runs. */
  readonly cacheDir: string
  /** Null: there is no repository, so a migration that needs a backup is refused before anything changes. */
  readonly backup: BackupBeforeChange | null
  /** The official client of the same tenant and database; called when a migration asks for it. */
  readonly openClient: () => Promise<OfficialClient>
  readonly events: MigrationEvents
  readonly progress: Progress
  readonly now: () => Date
  readonly signal: AbortSignal
}

export interface LockOptions {
  /** A lock whose holder has not renewed it for this long is taken over. Default of the commands: 60 s. */
  readonly ttlMs: number
  /** How long another run is waited for; 0: not at all; `Infinity`: for ever. */
  readonly waitMs: number
}

/** Called while a run goes on; what they throw is not caught. */
export interface MigrationEvents {
  started?(event: { readonly version: string; readonly name: string; readonly direction: Direction }): void
  /** `done` of `total` steps of this migration; `total` as foreseen. */
  step?(event: {
    readonly version: string
    readonly title: string
    readonly state: 'started' | 'done' | 'resumed'
    readonly number: number
    readonly total: number
  }): void
  finished?(event: { readonly version: string; readonly status: string; readonly ms: number }): void
  backup?(event: { readonly version: string; readonly collections: readonly string[] }): void
  /** Another run holds the lock, and this one waits. */
  waiting?(event: { readonly holder: string }): void
  lockLost?(event: { readonly message: string }): void
}

export type Direction = 'up' | 'down'
