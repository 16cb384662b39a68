import { AbortedError, throwIfAborted } from '../core/errors.js'
import type { ObjectAppends } from './object-writer.js'

/**
 * Lets collections that are read side by side hand over what they have in the order of the collections. So the same
 * source gives the same objects whatever was faster, and a run that was killed can be gone on from.
 */
export class Turns {
  #current = 0
  #waiting: (() => void)[] = []

  next(): void {
    this.#current++
    const woken = this.#waiting
    this.#waiting = []
    for (const wake of woken) wake()
  }

  /** Waits with the first piece; little has been collected until then, for the collections are small. */
  writerFor(turn: number, objects: ObjectAppends, signal: AbortSignal): ObjectAppends {
    return {
      cipher: objects.cipher,
      append: async (...pieces) => {
        while (turn > this.#current) await this.#change(signal)
        return objects.append(...pieces)
      },
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        reject(new AbortedError(signal.reason))
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(() => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
    })
  }
}
