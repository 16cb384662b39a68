import type { ProgressEvent } from '../core/progress.js'

/** Where one task stands. */
export interface TaskState {
  readonly task: string
  readonly phase: ProgressEvent['phase']
  readonly unit: ProgressEvent['unit']
  readonly done: number
  readonly total: number | null
  readonly bytes: number
  /** Units each second, of late. */
  readonly rate: number
  /** Bytes each second, of late. */
  readonly byteRate: number
  /** Milliseconds until the total is reached at this rate; null when that can't be said. */
  readonly remaining: number | null
}

interface Sample {
  readonly time: number
  readonly done: number
  readonly bytes: number
}

interface Task {
  event: ProgressEvent
  samples: Sample[]
}

/** Rates are those of this many milliseconds, so that they follow a change soon and don't jump about. */
const WINDOW = 10_000
const SAMPLE_EVERY = 500

/** Makes rates and remaining times out of progress events. Pure: time comes in. */
export class ProgressTracker {
  readonly #now: () => number
  readonly #tasks = new Map<string, Task>()

  /** `now`: milliseconds, never going back. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Undefined when the event ended its task. */
  apply(event: ProgressEvent): TaskState | undefined {
    if (event.state !== undefined) {
      this.#tasks.delete(event.task)
      return undefined
    }
    const time = this.#now()
    const sample = { time, done: event.done, bytes: event.bytes ?? 0 }
    const known = this.#tasks.get(event.task)
    if (known?.event.phase !== event.phase) {
      this.#tasks.set(event.task, { event, samples: [sample] })
    } else {
      known.event = event
      addSample(known.samples, sample)
    }
    return this.#state(event.task)
  }

  active(): TaskState[] {
    return [...this.#tasks.keys()].flatMap((task) => this.#state(task) ?? [])
  }

  #state(name: string): TaskState | undefined {
    const task = this.#tasks.get(name)
    if (task === undefined) return undefined
    const { phase, unit, done, total = null, bytes = 0 } = task.event
    const first = task.samples[0]
    const seconds = first === undefined ? 0 : (this.#now() - first.time) / 1000
    const rate = first === undefined || seconds <= 0 ? 0 : (done - first.done) / seconds
    const byteRate = first === undefined || seconds <= 0 ? 0 : (bytes - first.bytes) / seconds
    const remaining = total === null || rate <= 0 ? null : (Math.max(0, total - done) / rate) * 1000
    return { task: name, phase, unit, done, total, bytes, rate, byteRate, remaining }
  }
}

function addSample(samples: Sample[], sample: Sample): void {
  const last = samples.at(-1)
  if (last !== undefined && sample.time - last.time < SAMPLE_EVERY) return
  samples.push(sample)
  while (samples.length > 2 && sample.time - (samples[0]?.time ?? 0) > WINDOW) samples.shift()
}
