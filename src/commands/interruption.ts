import type { OpsError } from '../core/errors.js'
import { RunTimeoutError, StoppedError } from './errors.js'
import type { SignalSource } from './host.js'

/** Orchestrators kill ten seconds after SIGTERM. */
const GRACE = 7_000

export interface InterruptionJob {
  readonly signals: SignalSource
  /** Ends the process at once, after telling why: there was a second signal, or the run does not stop. */
  readonly endNow: (reason: OpsError) => void
}

/** Turns SIGINT, SIGTERM and `--timeout` into an AbortSignal whose reason is the error to report. */
export class Interruption {
  readonly #controller = new AbortController()
  readonly #job: InterruptionJob
  readonly #timers: NodeJS.Timeout[] = []
  #reason: OpsError | undefined

  constructor(job: InterruptionJob) {
    this.#job = job
    job.signals.on('SIGINT', this.#onInterrupt)
    job.signals.on('SIGTERM', this.#onTerminate)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why the run was stopped; undefined when it was not. */
  get reason(): OpsError | undefined {
    return this.#reason
  }

  /** Stops the run after this many milliseconds. */
  limit(milliseconds: number): void {
    const timer = setTimeout(() => {
      this.#stop(new RunTimeoutError(`not finished after ${milliseconds / 1000} s (--timeout)`), true)
    }, milliseconds)
    timer.unref()
    this.#timers.push(timer)
  }

  dispose(): void {
    this.#job.signals.off('SIGINT', this.#onInterrupt)
    this.#job.signals.off('SIGTERM', this.#onTerminate)
    for (const timer of this.#timers) clearTimeout(timer)
  }

  readonly #onInterrupt = (): void => {
    this.#signalled(new StoppedError('SIGINT'), false)
  }

  readonly #onTerminate = (): void => {
    this.#signalled(new StoppedError('SIGTERM'), true)
  }

  #signalled(reason: StoppedError, bounded: boolean): void {
    if (this.#reason === undefined) this.#stop(reason, bounded)
    else this.#job.endNow(reason)
  }

  #stop(reason: OpsError, bounded: boolean): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller.abort(reason)
    if (!bounded) return
    // Not unref'd: it must fire even when all that is left is something that never settles.
    this.#timers.push(setTimeout(() => this.#job.endNow(reason), GRACE))
  }
}
