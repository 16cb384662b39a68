import { EventEmitter } from 'node:events'

import { sleep } from '../core/abort.js'
import { asError, throwIfAborted, UsageError } from '../core/errors.js'
import type { HealthStatus } from './report.js'

/** `starting`: not yet known. `down`: so many bad checks in a row that it is no accident. */
export type MonitorState = 'starting' | 'ok' | 'degraded' | 'down'

export interface MonitorChange<R> {
  readonly from: MonitorState
  readonly to: MonitorState
  /** Of the check that made the difference; null when it failed. */
  readonly report: R | null
  readonly error: Error | null
}

/** The events of a {@link HealthMonitor}, with what their listeners get. */
export interface MonitorEvents<R> {
  /** After every check that came to an end. */
  readonly report: [R]
  readonly changed: [MonitorChange<R>]
  /** A check could not be made. */
  readonly failed: [Error]
}

export interface MonitorJob<R> {
  /** One check, such as `checkHealth` or `checkDirectory`; the signal is that of `run`. */
  readonly check: (signal: AbortSignal) => Promise<R>
  /** Pause between the end of a check and the start of the next; default: 10 s. */
  readonly intervalMs?: number
  /** Critical reports and failed checks in a row before the state is `down`; default: 3. */
  readonly failuresBeforeDown?: number
}

/**
 * Checks again and again, one check at a time. One bad answer says little: a server that loads an index is
 * silent for a while, and who restarts it then makes things worse. Only several in a row count.
 */
export class HealthMonitor<R extends { readonly status: HealthStatus }> extends EventEmitter<
  MonitorEvents<R>
> {
  readonly #job: Required<MonitorJob<R>>
  #state: MonitorState = 'starting'
  #badInARow = 0
  #running = false
  #latest: R | null = null

  constructor(job: MonitorJob<R>) {
    super()
    this.#job = { intervalMs: 10_000, failuresBeforeDown: 3, ...job }
    const { intervalMs, failuresBeforeDown } = this.#job
    if (!(intervalMs >= 0) || !(failuresBeforeDown >= 1))
      throw new UsageError('a monitor needs an interval of at least 0 and at least 1 failure before down')
  }

  get state(): MonitorState {
    return this.#state
  }

  /** The newest report; null before the first. */
  get latest(): R | null {
    return this.#latest
  }

  /**
   * Resolves when the signal fires, after the check that runs then has ended. Rejects with a UsageError when
   * it is already running, and with what a listener throws.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running) throw new UsageError('the monitor is running already')
    this.#running = true
    try {
      while (!signal.aborted) {
        await this.#checkOnce(signal)
        await pause(this.#job.intervalMs, signal)
      }
    } finally {
      this.#running = false
    }
  }

  async #checkOnce(signal: AbortSignal): Promise<void> {
    let report: R
    try {
      report = await this.#job.check(signal)
      throwIfAborted(signal)
    } catch (thrown) {
      if (signal.aborted) return
      const error = asError(thrown)
      this.emit('failed', error)
      this.#enter(this.#bad(), { report: null, error })
      return
    }
    this.#latest = report
    this.emit('report', report)
    this.#enter(this.#after(report.status), { report, error: null })
  }

  #after(status: HealthStatus): MonitorState {
    if (status === 'critical') return this.#bad()
    this.#badInARow = 0
    return status
  }

  #bad(): MonitorState {
    this.#badInARow++
    return this.#badInARow >= this.#job.failuresBeforeDown ? 'down' : this.#state
  }

  #enter(to: MonitorState, why: Pick<MonitorChange<R>, 'report' | 'error'>): void {
    const from = this.#state
    if (from === to) return
    this.#state = to
    this.emit('changed', { from, to, ...why })
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
