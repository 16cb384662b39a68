import { MultiBar, type SingleBar } from 'cli-progress'

import type { ProgressEvent } from '../core/progress.js'
import type { ProgressView } from './messages.js'
import type { Sink } from './output.js'
import { phaseText, progressText } from './progress-text.js'
import { ProgressTracker, type TaskState } from './progress-tracker.js'

/** More bars than this would push each other off the screen. */
const MOST_BARS = 8
const NAME_WIDTH = 34

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
    const bar = this.#bars.get(event.task)
    if (state === undefined) {
      this.#remove(event.task)
    } else if (bar !== undefined) {
      bar.setTotal(totalOf(state))
      bar.update(state.done, payloadOf(state))
    } else if (this.#bars.size < MOST_BARS) {
      this.#screen ??= this.#open()
      this.#bars.set(event.task, this.#screen.create(totalOf(state), state.done, payloadOf(state)))
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
      for (const state of this.#tracker.active()) this.#bars.get(state.task)?.update(payloadOf(state))
    })
    return screen
  }
}

function totalOf({ total, done }: TaskState): number {
  return total ?? Math.max(done, 1)
}

function payloadOf(state: TaskState): object {
  return { name: nameOf(state), figures: progressText(state) }
}

function nameOf({ phase, task }: TaskState): string {
  const name = `${phaseText[phase]} ${task}`
  return name.length <= NAME_WIDTH ? name.padEnd(NAME_WIDTH) : `…${name.slice(1 - NAME_WIDTH)}`
}
