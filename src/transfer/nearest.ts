import type { RecordBatch, Space } from '../core/records.js'

/** The distance of two vectors as Chroma defines it: squared for `l2`, one minus for `cosine` and `ip`. */
export function distance(space: Space, a: Float32Array, b: Float32Array): number {
  let [dot, squares, ofA, ofB] = [0, 0, 0, 0]
  for (let at = 0; at < a.length; at++) {
    const x = a[at] ?? 0
    const y = b[at] ?? 0
    dot += x * y
    squares += (x - y) * (x - y)
    ofA += x * x
    ofB += y * y
  }
  if (space === 'l2') return squares
  if (space === 'ip') return 1 - dot
  return ofA === 0 || ofB === 0 ? 1 : 1 - dot / Math.sqrt(ofA * ofB)
}

/** Finds the smallest distances to one vector among all that it is shown: exact search. */
export class NearestDistances {
  readonly #space: Space
  readonly #vector: Float32Array
  readonly #limit: number
  /** Ascending. */
  readonly #nearest: number[] = []

  constructor(space: Space, vector: Float32Array, limit: number) {
    this.#space = space
    this.#vector = vector
    this.#limit = limit
  }

  show(batch: RecordBatch): void {
    for (let row = 0; row < batch.ids.length; row++) {
      const other = batch.embeddings.subarray(row * batch.dimension, (row + 1) * batch.dimension)
      this.#keep(distance(this.#space, this.#vector, other))
    }
  }

  /** Ascending; fewer than the limit when there were fewer vectors. */
  distances(): readonly number[] {
    return this.#nearest
  }

  #keep(value: number): void {
    const worst = this.#nearest.at(-1)
    if (this.#nearest.length === this.#limit && worst !== undefined && value >= worst) return
    let at = this.#nearest.length
    while (at > 0 && (this.#nearest[at - 1] ?? 0) > value) at--
    this.#nearest.splice(at, 0, value)
    if (this.#nearest.length > this.#limit) this.#nearest.pop()
  }
}
