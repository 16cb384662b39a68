import type { ProgressEvent } from '../core/progress.js'
import type { ProgressView } from './messages.js'
import type { Sink } from './output.js'
import { phaseText, progressText } from './progress-text.js'
import { ProgressTracker } from './progress-tracker.js'

const MOST_LINES = 5

/** Without a terminal: now and then a line for each task that is under way. */
export class ProgressLines implements ProgressView {
  readonly #stream: Sink
  readonly #tracker: ProgressTracker
  readonly #timer: NodeJS.Timeout

  constructor(stream: Sink, everyMs: number, now: () => number) {
    this.#stream = stream
    this.#tracker = new ProgressTracker(now)
    this.#timer = setInterval(() => {
      this.#report()
    }, everyMs)
    this.#timer.unref()
  }

  update(event: ProgressEvent): void {
    this.#tracker.apply(event)
  }

  print(line: string): void {
    this.#stream.write(line)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #report(): void {
    const active = this.#tracker.active()
    for (const state of active.slice(0, MOST_LINES)) {
      this.print(`${phaseText[state.phase]} ${state.task}: ${progressText(state)}\n`)
    }
    if (active.length > MOST_LINES) this.print(`and ${active.length - MOST_LINES} more\n`)
  }
}

/** `--quiet` and `--no-progress`: messages only. */
export class NoProgress implements ProgressView {
  readonly #stream: Sink

  constructor(stream: Sink) {
    this.#stream = stream
  }

  update(): void {}

  print(line: string): void {
    this.#stream.write(line)
  }

  close(): void {}
}
