import type { Progress, ProgressEvent, Warning } from './progress.js'

export interface OverallTask {
  /** Name of the line. */
  readonly task: string
  /** Only events of this phase count. */
  readonly phase: ProgressEvent['phase']
  /** `collections`: tasks that have ended; `records`: the sum of theirs. */
  readonly unit: 'collections' | 'records'
  readonly total: number
}

/**
 * Does work that has several tasks, and shows beside them one that adds them up. What `work` tells the
 * progress that it is given is passed on unchanged.
 */
export async function withOverallProgress<T>(
  progress: Progress,
  overall: OverallTask,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const sum = new OverallProgress(progress, overall)
  try {
    const result = await work(sum)
    sum.end('done')
    return result
  } catch (error) {
    sum.end('failed')
    throw error
  }
}

class OverallProgress implements Progress {
  readonly #progress: Progress
  readonly #overall: OverallTask
  readonly #running = new Map<string, ProgressEvent>()
  #ended = { tasks: 0, records: 0, bytes: 0 }
  /** A collection that is begun anew counts from nothing; the sum waits until it has caught up. */
  #most = { done: 0, bytes: 0 }

  constructor(progress: Progress, overall: OverallTask) {
    this.#progress = progress
    this.#overall = overall
    this.#report()
  }

  update(event: ProgressEvent): void {
    this.#progress.update(event)
    if (event.phase !== this.#overall.phase) return
    if (event.state === undefined) this.#running.set(event.task, event)
    else {
      const { tasks, records, bytes } = this.#ended
      this.#running.delete(event.task)
      this.#ended = { tasks: tasks + 1, records: records + event.done, bytes: bytes + (event.bytes ?? 0) }
    }
    this.#report()
  }

  warn(warning: Warning): void {
    this.#progress.warn(warning)
  }

  end(state: 'done' | 'failed'): void {
    this.#report(state)
  }

  #report(state?: 'done' | 'failed'): void {
    const { unit, total } = this.#overall
    const running = [...this.#running.values()]
    const records = running.reduce((sum, { done }) => sum + done, this.#ended.records)
    const bytes = running.reduce((sum, event) => sum + (event.bytes ?? 0), this.#ended.bytes)
    const done = Math.min(total, unit === 'collections' ? this.#ended.tasks : records)
    this.#most = { done: Math.max(done, this.#most.done), bytes: Math.max(bytes, this.#most.bytes) }
    this.#progress.update({ ...this.#overall, ...this.#most, ...(state && { state }) })
  }
}
