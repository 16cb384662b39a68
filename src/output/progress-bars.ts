import { MultiBar, type SingleBar } from 'cli-progress'

import type { ProgressEvent } from '../core/progress.js'
import type { ProgressView } from './messages.js'
import type { Sink } from './output.js'
import { phaseText, progressText } from './progress-text.js'
import { ProgressTracker, type TaskState } from './progress-tracker.js'

/** More bars than this would push each other off the screen. */
const MOST_BARS = 8
/** Bar, share and figures at their longest. */
const OTHER_COLUMNS = 98
const NAME_COLUMNS = { least: 16, most: 40 }

/** One bar for each task that is under way, on a terminal. */
export class ProgressBars implements ProgressView {
  readonly #stream: Sink
  readonly #tracker: ProgressTracker
  readonly #bars = new Map<string, SingleBar>()
  #screen: MultiBar | undefined

  constructor(stream: Sink, now: () => number) {
    this.#stream = stream
    this.#tracker = new ProgressTracker(now)
  }

  update(event: ProgressEvent): void {
    const state = this.#tracker.apply(event)
    const width = this.#nameWidth()
    const bar = this.#bars.get(event.task)
    if (state === undefined) {
      this.#remove(event.task)
    } else if (bar !== undefined) {
      bar.setTotal(totalOf(state))
      bar.update(state.done, payloadOf(state, width))
    } else if (this.#bars.size < MOST_BARS) {
      this.#screen ??= this.#open()
      this.#bars.set(event.task, this.#screen.create(totalOf(state), state.done, payloadOf(state, width)))
    }
  }

  print(line: string): void {
    if (this.#screen === undefined) this.#stream.write(line)
    else this.#screen.log(line)
  }

  close(): void {
    // The screen writes what it still has to say only when it is updated.
    this.#screen?.update()
    this.#screen?.stop()
    this.#screen = undefined
    this.#bars.clear()
  }

  #remove(task: string): void {
    const bar = this.#bars.get(task)
    if (bar === undefined) return
    this.#bars.delete(task)
    this.#screen?.remove(bar)
  }

  /** What the terminal leaves; it may have been resized. */
  #nameWidth(): number {
    const left = (this.#stream.columns ?? 80) - OTHER_COLUMNS
    return Math.min(NAME_COLUMNS.most, Math.max(NAME_COLUMNS.least, left))
  }

  #open(): MultiBar {
    const screen = new MultiBar({
      stream: this.#stream,
      format: '{name} {bar} {percentage}% {figures}',
      barsize: 20,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      fps: 5,
      clearOnComplete: true,
      hideCursor: true,
      emptyOnZero: true,
      // Signals are handled in one place, and not here.
      gracefulExit: false,
    })
    // Rates fall and remaining times grow while nothing arrives; that is what a person looks at.
    screen.on('update-pre', () => {
      const width = this.#nameWidth()
      for (const state of this.#tracker.active()) this.#bars.get(state.task)?.update(payloadOf(state, width))
    })
    return screen
  }
}

function totalOf({ total, done }: TaskState): number {
  return total ?? Math.max(done, 1)
}

function payloadOf(state: TaskState, width: number): object {
  return { name: nameOf(state, width), figures: progressText(state) }
}

/** The end of a long name says more than its beginning, which is the tenant. */
function nameOf({ phase, task }: TaskState, width: number): string {
  const verb = phaseText[phase]
  const room = width - verb.length - 1
  return `${verb} ${task.length <= room ? task : `…${task.slice(1 - room)}`}`.padEnd(width)
}
