import type { RecordBatch } from '../core/records.js'
import type { Metadata } from '../core/metadata.js'
import type { PayloadRow } from './payload-lines.js'
import type { ReplacementRow } from './replacement-rows.js'

/** Puts batches together from the rows of a row group and those that replace some. */
export class MergedBatch {
  readonly #dimension: number
  /** Vectors of the row group. */
  readonly #own: Float32Array
  #embeddings = new Float32Array(0)
  #ids: string[] = []
  #documents: (string | null)[] = []
  #uris: (string | null)[] = []
  #metadatas: (Metadata | null)[] = []
  #missing: number[] = []
  #bytes = 0
  /** Rows of the group that follow one another, to be copied at once. */
  #run: { first: number; rows: number } = { first: 0, rows: 0 }

  constructor(dimension: number, own: Float32Array) {
    this.#dimension = dimension
    this.#own = own
  }

  get rows(): number {
    return this.#ids.length
  }

  /** Of payload. */
  get bytes(): number {
    return this.#bytes
  }

  /** A new batch of at most so many rows. */
  begin(rows: number): void {
    this.#embeddings = new Float32Array(rows * this.#dimension)
    this.#ids = []
    this.#documents = []
    this.#uris = []
    this.#metadatas = []
    this.#missing = []
    this.#bytes = 0
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
    this.#embeddings.set(vector, this.rows * this.#dimension)
    this.#push(payload, isMissing, bytes)
  }

  end(): RecordBatch {
    this.#endRun()
    return {
      ids: this.#ids,
      dimension: this.#dimension,
      embeddings: this.#embeddings.subarray(0, this.rows * this.#dimension),
      missingEmbeddings: this.#missing,
      documents: this.#documents,
      uris: this.#uris,
      metadatas: this.#metadatas,
    }
  }

  #push({ id, document, uri, metadata }: PayloadRow, isMissing: boolean, bytes: number): void {
    if (isMissing) this.#missing.push(this.rows)
    this.#ids.push(id)
    this.#documents.push(document)
    this.#uris.push(uri)
    this.#metadatas.push(metadata)
    this.#bytes += bytes
  }

  #endRun(): void {
    const { first, rows } = this.#run
    const from = first * this.#dimension
    const floats = this.#own.subarray(from, from + rows * this.#dimension)
    this.#embeddings.set(floats, (this.rows - rows) * this.#dimension)
    this.#run = { first: 0, rows: 0 }
  }
}
