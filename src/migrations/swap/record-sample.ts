import { hashOfId } from '../../chroma/spool-difference.js'
import { concatBatches } from '../../core/concat-batches.js'
import { pickRows } from '../../core/batch-rows.js'
import type { RecordBatch } from '../../core/records.js'

/** More would take too much memory. */
const MOST = 5000

/** Some of the records that were written, the same ones in every run: those whose ids have the smallest hashes. */
export class RecordSample {
  readonly #limit: number
  #records = new Map<string, RecordBatch>()
  /** Ids with a larger hash are not kept. */
  #bound = Infinity

  constructor(limit: number) {
    this.#limit = Math.min(limit, MOST)
  }

  get ids(): readonly string[] {
    return [...this.#records.keys()]
  }

  get isFull(): boolean {
    return this.#records.size >= this.#limit
  }

  offer(batch: RecordBatch): void {
    batch.ids.forEach((id, row) => {
      if (this.#limit > 0 && hashOfId(id) <= this.#bound) this.#records.set(id, pickRows(batch, [row]))
    })
    if (this.#records.size > 2 * this.#limit) this.#cut()
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) this.#records.delete(id)
  }

  batch(): RecordBatch {
    this.#cut()
    return concatBatches([...this.#records.values()])
  }

  #cut(): void {
    if (this.#records.size <= this.#limit) return
    const kept = [...this.#records].sort(([a], [b]) => hashOfId(a) - hashOfId(b)).slice(0, this.#limit)
    this.#records = new Map(kept)
    const last = kept.at(-1)
    this.#bound = last === undefined ? Infinity : hashOfId(last[0])
  }
}
