import { AbortedError, throwIfAborted } from '../core/errors.js'
import type { Connection } from './connection.js'
import { PoolExhausted } from './errors.js'
import type { PoolOptions, PoolStats } from './pool-options.js'

export { defaultPoolOptions, type PoolOptions, type PoolStats } from './pool-options.js'

export interface PoolJob {
  /** For messages. */
  readonly displayUrl: string
  readonly options: PoolOptions
  /** Prepares a connection; it is made by its first request. */
  readonly open: (events: PoolEvents) => Connection
  /** A heartbeat over one connection. Rejects only when the signal fires. */
  readonly check: (connection: Connection, signal: AbortSignal | undefined) => Promise<boolean>
  /** Milliseconds from any fixed moment. */
  readonly now: () => number
}

/** What a connection reports to its pool. */
export interface PoolEvents {
  readonly onConnect: () => void
  readonly onDisconnect: (connection: Connection) => void
}

/** Lends connections to one server, each to one request at a time. Pools share nothing. */
export class ConnectionPool {
  readonly #job: PoolJob
  /** The one used last is at the end and is used next, so that the others grow old. */
  readonly #idle: { readonly connection: Connection; readonly since: number }[] = []
  readonly #active = new Set<Connection>()
  readonly #waiting = new Set<Waiter>()
  readonly #counts = { created: 0, acquired: 0, timeouts: 0, recycled: 0, failedHealthChecks: 0 }
  #reaper: NodeJS.Timeout | undefined
  #closed = false

  constructor(job: PoolJob) {
    this.#job = job
  }

  get stats(): PoolStats {
    return {
      active: this.#active.size,
      idle: this.#idle.length,
      waiting: this.#waiting.size,
      ...this.#counts,
    }
  }

  /** Makes connections until there are `min`; those that fail are left to the requests to come. */
  async warm(signal?: AbortSignal): Promise<void> {
    const missing = this.#job.options.min - this.#active.size - this.#idle.length
    const connections = Array.from({ length: Math.max(0, missing) }, () => this.#open())
    await Promise.all(
      connections.map(async (connection) => {
        let healthy = false
        try {
          healthy = await this.#job.check(connection, signal)
        } finally {
          this.release(connection, !healthy)
        }
      }),
    )
  }

  /**
   * A connection for one request; give it back with {@link release}. Rejects with {@link PoolExhausted}
   * after the acquire timeout.
   */
  async acquire(signal?: AbortSignal): Promise<Connection> {
    this.#check(signal)
    for (let rested = this.#idle.pop(); rested !== undefined; rested = this.#idle.pop()) {
      const { connection, since } = rested
      this.#active.add(connection)
      const fresh = this.#job.now() - since <= this.#job.options.healthCheckAfterMs
      if (fresh || (await this.#proven(connection, signal))) return this.#lend(connection)
    }
    this.#check(signal)
    if (this.#active.size < this.#job.options.max) return this.#lend(this.#open())
    return this.#lend(await this.#wait(signal))
  }

  /** `broken`: the request did not end well on the wire; the connection is not used again. */
  release(connection: Connection, broken: boolean): void {
    if (!this.#active.delete(connection)) return
    if (broken || !connection.connected || this.#closed) {
      this.#recycle(connection)
      return
    }
    const waiter = first(this.#waiting)
    if (waiter !== undefined) {
      this.#active.add(connection)
      waiter.serve(connection)
      return
    }
    this.#idle.push({ connection, since: this.#job.now() })
    this.#watchIdle()
  }

  /** Ends all connections; requests that wait or are under way fail. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#reaper)
    const reason = closedError(this.#job.displayUrl)
    for (const waiter of this.#waiting) waiter.fail(reason)
    const all = [...this.#active, ...this.#idle.splice(0).map(({ connection }) => connection)]
    this.#active.clear()
    await Promise.all(all.map((connection) => connection.destroy(reason)))
  }

  #check(signal: AbortSignal | undefined): void {
    throwIfAborted(signal)
    if (this.#closed) throw closedError(this.#job.displayUrl)
  }

  #open(): Connection {
    const connection = this.#job.open({
      onConnect: () => this.#counts.created++,
      onDisconnect: (ended) => this.#forgetIdle(ended),
    })
    this.#active.add(connection)
    return connection
  }

  #lend(connection: Connection): Connection {
    this.#counts.acquired++
    return connection
  }

  async #proven(connection: Connection, signal: AbortSignal | undefined): Promise<boolean> {
    let healthy = false
    try {
      healthy = connection.connected && (await this.#job.check(connection, signal))
    } finally {
      if (!healthy) {
        this.#counts.failedHealthChecks++
        this.release(connection, true)
      }
    }
    return healthy
  }

  #recycle(connection: Connection): void {
    this.#counts.recycled++
    void connection.destroy()
    const waiter = first(this.#waiting)
    if (waiter !== undefined && !this.#closed) waiter.serve(this.#open())
  }

  /** The server, or something on the way, has ended an idle connection. */
  #forgetIdle(ended: Connection): void {
    const at = this.#idle.findIndex(({ connection }) => connection === ended)
    if (at === -1) return
    this.#idle.splice(at, 1)
    this.#recycle(ended)
  }

  #wait(signal: AbortSignal | undefined): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.delete(waiter)
      }
      const waiter: Waiter = {
        serve: (connection) => {
          finish()
          resolve(connection)
        },
        fail: (error) => {
          finish()
          reject(error)
        },
      }
      const onAbort = () => waiter.fail(new AbortedError(signal?.reason))
      const timer = setTimeout(() => {
        this.#counts.timeouts++
        waiter.fail(this.#exhausted())
      }, this.#job.options.acquireTimeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  #exhausted(): PoolExhausted {
    const { max, acquireTimeoutMs } = this.#job.options
    const others = this.#waiting.size - 1
    return new PoolExhausted(
      `no connection to ${this.#job.displayUrl} became free within ${acquireTimeoutMs / 1000} s: ` +
        `all ${max} are in use${others > 0 ? `, and ${others} more requests wait` : ''}`,
      { hint: 'lower the concurrency, or raise the maximum of the pool' },
    )
  }

  #watchIdle(): void {
    if (this.#reaper !== undefined || this.#idle.length <= this.#job.options.min) return
    this.#reaper = setTimeout(() => this.#reap(), this.#job.options.idleTimeoutMs)
    this.#reaper.unref()
  }

  #reap(): void {
    this.#reaper = undefined
    const oldest = this.#job.now() - this.#job.options.idleTimeoutMs
    const beyondMin = this.#idle.length - this.#job.options.min
    const tired = this.#idle.filter(({ since }) => since <= oldest).length
    // Connections are pushed when they become idle, so the first ones have rested longest.
    for (const { connection } of this.#idle.splice(0, Math.min(beyondMin, tired))) void connection.destroy()
    this.#watchIdle()
  }
}

interface Waiter {
  serve(connection: Connection): void
  fail(error: Error): void
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item
  return undefined
}

function closedError(displayUrl: string): AbortedError {
  return new AbortedError(`the connections to ${displayUrl} were closed`)
}
