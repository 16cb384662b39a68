import { HnswError } from './errors.js'
import { labelAt, readFully, type HnswIndex } from './hnsw-index.js'

/** Runs of elements are read at once, over gaps of this size, up to this many bytes. */
const GAP_BYTES = 32 * 1024
const RUN_BYTES = 4 * 1024 * 1024
const DELETED = 1
const NOWHERE = -1

/**
 * The vectors in `data_level0.bin`, by label. Elements usually lie in the order of their labels: that is tried
 * first, and every element that is read is asked for its label. Only when one is elsewhere all labels are read.
 */
export class HnswVectors {
  readonly #index: HnswIndex
  readonly #lengths: Float32Array | null
  #buffer = Buffer.alloc(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  #positions: ReadonlyMap<number, number> | Int32Array | null = null

  private constructor(index: HnswIndex, lengths: Float32Array | null) {
    this.#index = index
    this.#lengths = lengths
  }

  /** Takes the index over. Rejects with {@link HnswError} when it is not of this dimension, or too short. */
  static async open(
    index: HnswIndex,
    { dimension, cosine }: { readonly dimension: number; readonly cosine: boolean },
  ): Promise<HnswVectors> {
    try {
      const { header } = index
      if (header.dimension !== dimension)
        throw new HnswError(
          `the index has vectors of ${header.dimension} numbers, the collection of ${dimension}`,
        )
      const { size } = await index.data.stat()
      if (size < header.elements * header.elementSize)
        throw new HnswError(
          `data_level0.bin has ${size} bytes for ${header.elements} elements of ${header.elementSize}`,
        )
      return new HnswVectors(index, cosine ? await index.lengths() : null)
    } catch (error) {
      await index.close()
      throw error
    }
  }

  /**
   * The vectors with these labels (NaN for none) into `target`, row by row. Returns 1 for each row that was
   * there; the others are left as they are.
   */
  async read(labels: Float64Array, target: Float32Array): Promise<Uint8Array> {
    const present = new Uint8Array(labels.length)
    const strayed = await this.#readAt(labels, target, present)
    if (strayed.length === 0) return present
    this.#positions = await this.#readPositions()
    const rest = labels.slice().fill(NaN)
    for (const row of strayed) rest[row] = labels[row] ?? NaN
    await this.#readAt(rest, target, present)
    return present
  }

  close(): Promise<void> {
    return this.#index.close()
  }

  /** Labels begin with 1, elements with 0. */
  #guess(label: number): number {
    if (this.#positions === null) return label - 1
    if (this.#positions instanceof Int32Array) return this.#positions[label] ?? NOWHERE
    return this.#positions.get(label) ?? NOWHERE
  }

  /** Returns the rows whose element has another label. */
  async #readAt(labels: Float64Array, target: Float32Array, present: Uint8Array): Promise<readonly number[]> {
    const { elements, elementSize } = this.#index.header
    const strayed: number[] = []
    const positions = new Float64Array(labels.length)
    let rows: number[] = []
    let [ascending, before] = [true, NOWHERE]
    for (let row = 0; row < labels.length; row++) {
      const label = labels[row] ?? NaN
      if (Number.isNaN(label)) continue
      const position = this.#guess(label)
      if (position < 0 || position >= elements) {
        if (this.#positions === null) strayed.push(row)
        continue
      }
      positions[row] = position
      rows.push(row)
      if (position < before) ascending = false
      before = position
    }
    const at = (index: number) => positions[rows[index] ?? 0] ?? 0
    if (!ascending) rows = rows.sort((a, b) => (positions[a] ?? 0) - (positions[b] ?? 0))
    for (let from = 0; from < rows.length;) {
      const first = at(from)
      let [to, last] = [from + 1, first]
      for (; to < rows.length; to++) {
        const next = at(to)
        if ((next - last) * elementSize > GAP_BYTES || (next + 1 - first) * elementSize > RUN_BYTES) break
        last = next
      }
      await this.#fill((last + 1 - first) * elementSize, first * elementSize)
      for (let index = from; index < to; index++) {
        const row = rows[index] ?? 0
        const label = labels[row] ?? NaN
        if (!this.#copy(at(index), (at(index) - first) * elementSize, label, target, row, present))
          strayed.push(row)
      }
      from = to
    }
    return strayed
  }

  async #fill(bytes: number, position: number): Promise<void> {
    if (this.#buffer.length < bytes) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(bytes, RUN_BYTES))
      this.#view = new DataView(this.#buffer.buffer)
    }
    await readFully(this.#index.data, this.#buffer.subarray(0, bytes), position)
  }

  /** False when the element at this place of the buffer has another label. */
  #copy(
    position: number,
    offset: number,
    label: number,
    target: Float32Array,
    row: number,
    present: Uint8Array,
  ): boolean {
    const { dataOffset, labelOffset, dimension } = this.#index.header
    if (labelAt(this.#view, offset + labelOffset) !== label) return false
    if (((this.#buffer[offset + 2] ?? 0) & DELETED) !== 0) return true
    const vector = new Float32Array(this.#buffer.buffer, offset + dataOffset, dimension)
    const start = row * dimension
    const length = this.#lengths?.[position]
    if (length === undefined) target.set(vector, start)
    else for (let at = 0; at < dimension; at++) target[start + at] = (vector[at] ?? 0) * length
    present[row] = 1
    return true
  }

  /** Where every label is: an array where labels are dense, else a map. */
  async #readPositions(): Promise<ReadonlyMap<number, number> | Int32Array> {
    const { elements } = this.#index.header
    const dense = new Int32Array(2 * elements + 1024).fill(NOWHERE)
    const sparse = new Map<number, number>()
    for await (const { first, count, labels } of this.#index.blocks()) {
      for (let at = 0; at < count; at++) {
        const label = labels[at] ?? 0
        if (label < dense.length) dense[label] = first + at
        else sparse.set(label, first + at)
      }
    }
    if (sparse.size === 0) return dense
    for (const [label, position] of dense.entries()) if (position !== NOWHERE) sparse.set(label, position)
    return sparse
  }
}
