import { isErrno } from '../core/errors.js'
import type { Sink } from './output.js'

/** Writes the result to stdout and tells whether it arrived. */
export class ResultStream {
  readonly #stream: Sink
  readonly #pending: Promise<void>[] = []
  #readerLeft = false

  constructor(stream: Sink) {
    this.#stream = stream
  }

  /** The reader closed the pipe, as `| head` does: nothing more needs to be written. */
  get readerLeft(): boolean {
    return this.#readerLeft
  }

  write(text: string): void {
    if (this.#readerLeft) return
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(text, (error) => {
        if (error === undefined || error === null) resolve()
        else reject(error)
      })
    })
    const settled = written.catch((error: unknown) => {
      if (!isErrno(error, 'EPIPE', 'ERR_STREAM_DESTROYED')) throw error
      this.#readerLeft = true
    })
    // Whoever calls end() sees the failure; until then it must not count as unhandled.
    settled.catch(() => undefined)
    this.#pending.push(settled)
  }

  async end(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
  }
}
