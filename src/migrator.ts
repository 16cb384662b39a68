import { hostname, tmpdir } from 'node:os'
import path from 'node:path'

import { ChromaApi } from './chroma/api.js'
import { connectTransport } from './chroma/connect.js'
import { openOfficialClient } from './chroma/open-official-client.js'
import { silentProgress, type Progress } from './core/progress.js'
import type { BackupBeforeChange } from './migrations/backup-port.js'
import type { DatabaseOptions } from './managed-database.js'
import type { MigrationPlan } from './migrations/plan/migration-plan.js'
import type { CompleteResult } from './migrations/run/complete.js'
import type { EnsureMode } from './migrations/run/ensure.js'
import type { HistoryEntry } from './migrations/run/history.js'
import type { MigrationEvents, MigrationJob } from './migrations/run/migration-job.js'
import type { BaselineResult, Repair, RepairResult } from './migrations/run/repair.js'
import type { RunResult } from './migrations/run/result.js'
import type { KnownMigration } from './migrations/run/select.js'
import type { MigrationStatus } from './migrations/run/status.js'

export interface MigratorOptions extends DatabaseOptions {
  /** The folder of the migrations. */
  readonly directory: string
  /** Instead of what is in the folder, ascending by version. */
  readonly migrations?: readonly KnownMigration[]
  /** Such as `production`; see the stamp of a database in docs/migrations.md. Default: not said. */
  readonly environment?: string
  /** Who is named in the history; default: `application on <host>`. */
  readonly actor?: string
  /** Milliseconds: 60,000 until a silent run is taken for dead, and 120,000 that another run is waited for. */
  readonly lock?: { readonly ttlMs?: number; readonly waitMs?: number }
  /** Where backups go before what cannot be undone; default: such migrations are refused. */
  readonly backup?: BackupBeforeChange
  /** Requests in flight; default 4. */
  readonly concurrency?: number
  /** Default: the system's. */
  readonly tempDir?: string
  /** Keeps vectors that were paid for; default: a folder in the system's temporary one. */
  readonly cacheDir?: string
  readonly progress?: Progress
  readonly on?: MigrationEvents
}

/** What one call may say otherwise. */
export interface ApplyOptions {
  readonly limit?: number
  readonly to?: string
  readonly plan?: MigrationPlan
  readonly allowDestructive?: boolean
  readonly execOrder?: 'linear' | 'non-linear'
  readonly skipBackup?: boolean
  readonly adopt?: boolean
  readonly signal?: AbortSignal
}

export interface RevertOptions {
  readonly count?: number
  readonly to?: string
  readonly restore?: boolean
  readonly acceptDataLoss?: boolean
  readonly allowProduction?: boolean
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
}

export interface EnsureOptions {
  /**
   * `off`: nothing. `verify`: rejects unless everything is applied. `apply`: applies what is pending, and waits for
   * another process that does.
   */
  readonly mode: EnsureMode
  /** Accepts migrations of a newer release, for the time in which old and new processes run side by side. */
  readonly allowFuture?: boolean
  /** `apply` refuses a migration that reads a collection of more records; default 100,000. */
  readonly maxStartupRecords?: number
  readonly signal?: AbortSignal
}

const DEFAULT_TTL_MS = 60_000
const DEFAULT_WAIT_MS = 120_000
const DEFAULT_STARTUP_RECORDS = 100_000

/**
 * The migrations of one database, for applications and scripts. Nothing is loaded or sent before the first call.
 * A migration that fails is a result with an `error`, not a rejection; see each function for what rejects.
 */
export class Migrator {
  readonly #options: MigratorOptions
  #api: Promise<ChromaApi> | null = null

  constructor(options: MigratorOptions) {
    this.#options = options
  }

  /**
   * For the start of an application. `verify` rejects with a MigrationDriftError `MIGRATIONS_PENDING` or
   * `FUTURE_VERSION` (3) and others of its codes, or a MigrationUndecidedError (17). `apply` rejects with a
   * GuardError `NOT_AT_STARTUP` (15), and with what the migration that failed threw.
   */
  async ensure(options: EnsureOptions): Promise<RunResult | null> {
    if (options.mode === 'off') return null
    const { ensure } = await import('./migrations/run/ensure.js')
    const { mode, allowFuture = false, maxStartupRecords = DEFAULT_STARTUP_RECORDS, signal } = options
    return ensure({ ...(await this.#job(signal)), mode, allowFuture, maxStartupRecords })
  }

  async status(signal?: AbortSignal): Promise<MigrationStatus> {
    const { status } = await import('./migrations/run/status.js')
    return status(await this.#job(signal))
  }

  async plan(options: ApplyOptions & { readonly sample?: number } = {}): Promise<MigrationPlan> {
    const { plan } = await import('./migrations/plan/plan.js')
    const { limit = null, to = null, execOrder = 'linear', skipBackup = false, adopt = false } = options
    const job = await this.#job(options.signal)
    return plan({ ...job, limit, to, execOrder, skipBackup, adopt, sample: options.sample ?? 500 })
  }

  async up(options: ApplyOptions = {}): Promise<RunResult> {
    const { up } = await import('./migrations/run/up.js')
    const { limit = null, to = null, plan = null, execOrder = 'linear' } = options
    const { allowDestructive = false, skipBackup = false, adopt = false } = options
    const job = await this.#job(options.signal)
    return up({ ...job, limit, to, plan, execOrder, allowDestructive, skipBackup, adopt })
  }

  async down(options: RevertOptions = {}): Promise<RunResult> {
    const { down } = await import('./migrations/run/down.js')
    return down({ ...(await this.#job(options.signal)), ...revertFlags(options) })
  }

  async redo(options: RevertOptions & { readonly skipBackup?: boolean } = {}): Promise<RunResult> {
    const { redo } = await import('./migrations/run/down.js')
    const { skipBackup = false } = options
    return redo({ ...(await this.#job(options.signal)), ...revertFlags(options), skipBackup })
  }

  async resume(
    options: { readonly dryRun?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<RunResult> {
    const { resume } = await import('./migrations/run/resume.js')
    return resume({ ...(await this.#job(options.signal)), dryRun: options.dryRun ?? false })
  }

  async abort(
    options: { readonly dryRun?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<RunResult> {
    const { abort } = await import('./migrations/run/resume.js')
    return abort({ ...(await this.#job(options.signal)), dryRun: options.dryRun ?? false })
  }

  async complete(
    options: {
      readonly version?: string
      readonly early?: boolean
      readonly apply?: boolean
      readonly acceptDataLoss?: boolean
      readonly signal?: AbortSignal
    } = {},
  ): Promise<CompleteResult> {
    const { complete } = await import('./migrations/run/complete.js')
    const { version = null, early = false, apply = false, acceptDataLoss = false } = options
    return complete({ ...(await this.#job(options.signal)), version, early, apply, acceptDataLoss })
  }

  async repair(
    what: Repair,
    options: { readonly apply?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<RepairResult> {
    const { repair } = await import('./migrations/run/repair.js')
    return repair({ ...(await this.#job(options.signal)), repair: what, apply: options.apply ?? false })
  }

  /** Null: no migration is there already. */
  async baseline(version: string | null, signal?: AbortSignal): Promise<BaselineResult> {
    const { baseline } = await import('./migrations/run/repair.js')
    return baseline({ ...(await this.#job(signal)), version, dryRun: false })
  }

  async history(version: string | null = null, signal?: AbortSignal): Promise<readonly HistoryEntry[]> {
    const { history } = await import('./migrations/run/history.js')
    return history({ ...(await this.#job(signal)), version })
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    await (await this.#api)?.transport.close()
  }

  async #job(signal: AbortSignal | undefined): Promise<MigrationJob> {
    const options = this.#options
    const { tenant = 'default_tenant', database = 'default_database' } = options
    this.#api ??= connect(options)
    const tempDir = options.tempDir ?? tmpdir()
    return {
      api: await this.#api,
      ...{ tenant, database, tempDir, directory: options.directory, migrations: options.migrations },
      environment: options.environment ?? null,
      actor: options.actor ?? `application on ${hostname()}`,
      toolVersion: 'library',
      lock: {
        ttlMs: options.lock?.ttlMs ?? DEFAULT_TTL_MS,
        waitMs: options.lock?.waitMs ?? DEFAULT_WAIT_MS,
      },
      concurrency: options.concurrency ?? 4,
      cacheDir: options.cacheDir ?? path.join(tempDir, 'chroma-ops-cache'),
      backup: options.backup ?? null,
      openClient: () => openOfficialClient(options, { tenant, database }),
      events: options.on ?? {},
      progress: options.progress ?? silentProgress,
      now: () => new Date(),
      signal: signal ?? options.signal ?? new AbortController().signal,
    }
  }
}

async function connect(options: MigratorOptions): Promise<ChromaApi> {
  const api = new ChromaApi(await connectTransport(options))
  api.transport.useBatchRetries()
  return api
}

function revertFlags(options: RevertOptions) {
  const { count = 1, to = null, restore = false, dryRun = false } = options
  const { acceptDataLoss = false, allowProduction = false } = options
  return { count, to, restore, dryRun, acceptDataLoss, allowProduction }
}
