import { pino, type Logger } from 'pino'

import type { ProgressEvent, Warning } from '../core/progress.js'
import { causesOf, failureOf, stackOf } from './failure.js'
import { HiddenTexts, type Messages } from './messages.js'
import type { Reporting, Sink } from './output.js'
import { ProgressTracker } from './progress-tracker.js'

/** Messages for a machine: one JSON object per line, with the run's id. */
export class LogMessages implements Messages {
  readonly #logger: Logger
  readonly #tracker: ProgressTracker
  readonly #timer: NodeJS.Timeout
  readonly #hidden = new HiddenTexts()

  constructor(stderr: Sink, runId: string, reporting: Reporting, everyMs: number, now: () => number) {
    this.#logger = pino(
      {
        level: reporting.quiet ? 'warn' : reporting.verbose ? 'debug' : 'info',
        base: { run: runId },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (level) => ({ level }) },
      },
      { write: (line: string) => stderr.write(this.#hidden.mask(line)) },
    )
    this.#tracker = new ProgressTracker(now)
    this.#timer = setInterval(() => {
      if (reporting.progress) this.#report()
    }, everyMs)
    this.#timer.unref()
  }

  note(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#logger.info(fields, message)
  }

  detail(message: string): void {
    this.#logger.debug(message)
  }

  warn({ code, message }: Warning): void {
    this.#logger.warn({ code }, message)
  }

  failure(error: unknown): void {
    const { message, ...rest } = failureOf(error)
    this.#logger.error({ ...rest, causes: causesOf(error), stack: stackOf(error) }, message)
  }

  update(event: ProgressEvent): void {
    this.#tracker.apply(event)
  }

  hide(secret: string): void {
    this.#hidden.add(secret)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #report(): void {
    for (const { rate, byteRate, remaining, ...state } of this.#tracker.active()) {
      const rounded = {
        rate: Math.round(rate),
        byteRate: Math.round(byteRate),
        remainingMs: remaining === null ? null : Math.round(remaining),
      }
      this.#logger.info({ ...state, ...rounded }, 'progress')
    }
  }
}
