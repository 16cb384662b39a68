import type { Metadata } from '../core/metadata.js'
import type { RecordBatch } from '../core/records.js'
import type { PayloadRow } from './payload-lines.js'
import type { ReplacementRow } from './replacement-rows.js'

/**
 * Puts batches together from the rows of a row group, in order, and those that replace some. The vectors stay in the
 * memory that they were read into, and are moved to the front where rows are left out: new memory costs more than all
 * the rest.
 */
export class MergedBatch {
  readonly #dimension: number
  readonly #vectors: Float32Array
  /** Rows of all batches so far, and of those before this one. */
  #rows = 0
  #first = 0
  #ids: string[] = []
  #documents: (string | null)[] = []
  #uris: (string | null)[] = []
  #metadatas: (Metadata | null)[] = []
  #missing: number[] = []
  #bytes = 0
  /** Rows of the group that follow one another, to be moved at once. */
  #run = { first: 0, rows: 0 }

  /** `vectors` of the group, which will be changed; at least as long as those of the result. */
  constructor(dimension: number, vectors: Float32Array) {
    this.#dimension = dimension
    this.#vectors = vectors
  }

  get rows(): number {
    return this.#rows - this.#first
  }

  /** Of payload. */
  get bytes(): number {
    return this.#bytes
  }

  /** Row `row` of the group. */
  addOwn(row: number, payload: PayloadRow, isMissing: boolean, bytes: number): void {
    if (this.#run.first + this.#run.rows !== row) this.#endRun()
    if (this.#run.rows === 0) this.#run.first = row
    this.#run.rows++
    this.#push(payload, isMissing, bytes)
  }

  add({ payload, vector, isMissing, bytes }: ReplacementRow): void {
    this.#endRun()
    this.#vectors.set(vector, this.#rows * this.#dimension)
    this.#push(payload, isMissing, bytes)
  }

  end(): RecordBatch {
    this.#endRun()
    const batch = {
      ids: this.#ids,
      dimension: this.#dimension,
      embeddings: this.#vectors.subarray(this.#first * this.#dimension, this.#rows * this.#dimension),
      missingEmbeddings: this.#missing,
      documents: this.#documents,
      uris: this.#uris,
      metadatas: this.#metadatas,
    }
    this.#first = this.#rows
    this.#ids = []
    this.#documents = []
    this.#uris = []
    this.#metadatas = []
    this.#missing = []
    this.#bytes = 0
    return batch
  }

  #push({ id, document, uri, metadata }: PayloadRow, isMissing: boolean, bytes: number): void {
    if (isMissing) this.#missing.push(this.rows)
    this.#ids.push(id)
    this.#documents.push(document)
    this.#uris.push(uri)
    this.#metadatas.push(metadata)
    this.#bytes += bytes
    this.#rows++
  }

  /** A row never moves behind one that is still needed: there are not more rows in the result than before it. */
  #endRun(): void {
    const { first, rows } = this.#run
    const to = this.#rows - rows
    if (rows > 0 && to !== first)
      this.#vectors.copyWithin(
        to * this.#dimension,
        first * this.#dimension,
        (first + rows) * this.#dimension,
      )
    this.#run = { first: 0, rows: 0 }
  }
}
