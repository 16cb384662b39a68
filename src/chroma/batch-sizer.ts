/** More rows per request save no time, and cost memory. */
const MOST_ROWS = 2000
const FIRST_ROWS = 64
/** How much more a request may ask for than the largest that was answered. */
const GROWTH = 4

/**
 * How many records to ask for at once, so that an answer takes about `batchBytes`: learned from the answers,
 * and carefully, because nobody knows how long the next documents are.
 */
export class BatchSizer {
  readonly #batchBytes: number
  #bytesPerRecord: number
  #largest = 0

  /** @param estimate bytes of a record before anything is known */
  constructor(batchBytes: number, estimate: number) {
    this.#batchBytes = batchBytes
    this.#bytesPerRecord = estimate
  }

  learn({ records, bytes }: { readonly records: number; readonly bytes: number }): void {
    if (records === 0) return
    const measured = bytes / records
    // Quick to become careful, slow to become bold.
    const weight = measured > this.#bytesPerRecord ? 0.75 : 0.25
    this.#bytesPerRecord += weight * (measured - this.#bytesPerRecord)
    this.#largest = Math.max(this.#largest, records)
  }

  /** At least one. */
  rows(limit: number): number {
    const fitting = Math.floor(this.#batchBytes / this.#bytesPerRecord)
    const careful = Math.max(FIRST_ROWS, this.#largest * GROWTH)
    return Math.max(1, Math.min(fitting, careful, limit, MOST_ROWS))
  }
}
