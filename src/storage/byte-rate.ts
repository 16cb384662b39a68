import { sleep } from '../core/abort.js'

/**
 * A rate that everything which moves in one direction shares. What is spent is paid off as time passes, and
 * nothing more begins before that: over a while, the average is never above the rate by more than what was
 * under way at once.
 */
export class ByteRate {
  readonly #bytesPerMs: number
  readonly #now: () => number
  #paidAt = -Infinity

  /** `now`: milliseconds, never going back. */
  constructor(bytesPerSecond: number, now = () => performance.now()) {
    if (!(bytesPerSecond > 0)) throw new RangeError(`not a rate: ${bytesPerSecond} bytes per second`)
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#now = now
  }

  /**
   * Waits for its turn behind all that was spent before. Rejects with AbortedError when the signal fires
   * while it waits; what then did not happen is not charged.
   */
  async spend(bytes: number, signal?: AbortSignal): Promise<void> {
    const wait = this.charge(bytes)
    if (wait <= 0) return
    try {
      await sleep(wait, signal)
    } catch (error) {
      this.#paidAt -= bytes / this.#bytesPerMs
      throw error
    }
  }

  /** Spends without waiting, for what has happened. Returns the milliseconds that `spend` would have waited. */
  charge(bytes: number): number {
    const now = this.#now()
    const start = Math.max(now, this.#paidAt)
    this.#paidAt = start + bytes / this.#bytesPerMs
    return start - now
  }
}
