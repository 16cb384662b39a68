import { UsageError } from './core/errors.js'
import type { HealthLevel, HealthReport } from './health/report.js'
import { ManagedDatabase, type DatabaseOptions } from './managed-database.js'

export interface ManagerOptions {
  /**
   * Called once, with the clean-up, for the application to run when it ends:
   * `(closeAll) => process.once('SIGTERM', () => void closeAll())`.
   */
  readonly onExit?: (closeAll: () => Promise<void>) => void
}

/** The databases that an application uses, each opened once under a name of its choice. */
export class DatabaseManager {
  readonly #databases = new Map<string, Opened>()
  #closed = false

  constructor({ onExit }: ManagerOptions = {}) {
    onExit?.(() => this.closeAll())
  }

  /**
   * The database of this name; opened at the first call, also when several come at once. After a failure the
   * next call tries again. Rejects like {@link ManagedDatabase.open}, and with UsageError when the name
   * stands for another database, or after {@link closeAll}.
   */
  async open(name: string, options: DatabaseOptions): Promise<ManagedDatabase> {
    if (this.#closed) throw new UsageError('the manager is closed')
    const target = JSON.stringify([options.url, options.tenant, options.database])
    const known = this.#databases.get(name)
    if (known !== undefined) {
      if (known.target === target) return known.database
      throw new UsageError(`${name} is open already, and is another database`, {
        hint: 'close it first, or choose another name',
      })
    }
    const opened = { target, database: ManagedDatabase.open(options) }
    this.#databases.set(name, opened)
    try {
      return await opened.database
    } catch (error) {
      if (this.#databases.get(name) === opened) this.#databases.delete(name)
      throw error
    }
  }

  /** Of every open database, by name, all at once. */
  async health(
    level: HealthLevel = 'ready',
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, HealthReport>> {
    const reports = [...this.#databases].map(
      async ([name, { database }]) => [name, await (await database).health(level, signal)] as const,
    )
    return new Map(await Promise.all(reports))
  }

  /** Closing one that is not open is no error. */
  async close(name: string): Promise<void> {
    const opened = this.#databases.get(name)
    this.#databases.delete(name)
    await opened?.database.then(
      (database) => database.close(),
      () => {
        // Whoever opened it has been told.
      },
    )
  }

  /** Closes every database and opens no more. May be called again. */
  async closeAll(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#databases.keys()].map((name) => this.close(name)))
  }
}

interface Opened {
  readonly target: string
  readonly database: Promise<ManagedDatabase>
}
