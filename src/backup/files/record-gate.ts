import type { RecordBatch } from '../../core/records.js'
import { IdTable } from '../../datadir/id-table.js'
import { RecordFileError } from './record-file-error.js'
import type { FileRecord } from './record-fields.js'

/** What is let in although it is doubtful. */
export interface FileRules {
  /** Records without a vector; the collection is then incomplete. */
  readonly allowMissingVectors: boolean
  /** NaN and infinities in vectors. */
  readonly allowNonFinite: boolean
}

const BATCH_ROWS = 2000
const BATCH_BYTES = 4 * 1024 * 1024

/**
 * Checks the records of one file, and makes batches of them. Memory: a batch, and 16 bytes for each id, of which
 * there must not be two.
 */
export class RecordGate {
  readonly #file: string
  readonly #rules: FileRules
  readonly #ids: IdTable
  #dimension: number | null
  #rows: FileRecord[] = []
  #bytes = 0

  /** `dimension`: what vectors must have, null when the first one decides. */
  constructor(file: string, dimension: number | null, rules: FileRules, expectedRecords = 0) {
    this.#file = file
    this.#dimension = dimension
    this.#rules = rules
    this.#ids = new IdTable(expectedRecords)
  }

  /** `line`: where the record is, from 1. Throws a {@link RecordFileError}. */
  add(record: FileRecord, line: number): void {
    this.#checkVector(record, line)
    const { id, embedding, document } = record
    const bytes = Buffer.from(id)
    const first = this.#ids.get(bytes, 0, bytes.length)
    if (!Number.isNaN(first))
      throw this.#wrong(line, `the id ${JSON.stringify(id.slice(0, 100))} is there twice, first in ${first}`)
    this.#ids.set(bytes, 0, bytes.length, line)
    this.#rows.push(record)
    this.#bytes += bytes.length + (embedding?.length ?? 0) * 4 + (document?.length ?? 0) * 2 + 100
  }

  get isFull(): boolean {
    return this.#rows.length >= BATCH_ROWS || this.#bytes >= BATCH_BYTES
  }

  /** What was added since the last one; null when nothing was. */
  take(): RecordBatch | null {
    const rows = this.#rows
    if (rows.length === 0) return null
    this.#rows = []
    this.#bytes = 0
    const dimension = this.#dimension ?? 0
    const embeddings = new Float32Array(rows.length * dimension)
    const missingEmbeddings: number[] = []
    for (const [row, { embedding }] of rows.entries()) {
      if (embedding === null) missingEmbeddings.push(row)
      else embeddings.set(embedding, row * dimension)
    }
    return {
      ids: rows.map(({ id }) => id),
      dimension,
      embeddings,
      missingEmbeddings,
      documents: rows.map(({ document }) => document),
      uris: rows.map(({ uri }) => uri),
      metadatas: rows.map(({ metadata }) => metadata),
    }
  }

  #checkVector({ embedding }: FileRecord, line: number): void {
    if (embedding === null) {
      if (this.#rules.allowMissingVectors) return
      throw this.#wrong(line, 'the record has no embedding', {
        hint: 'give each record its vector: nothing is embedded here; --allow-missing-vectors takes what there is',
      })
    }
    this.#dimension ??= embedding.length
    if (embedding.length === 0) throw this.#wrong(line, 'the embedding has no numbers')
    if (embedding.length !== this.#dimension)
      throw this.#wrong(
        line,
        `the embedding has ${embedding.length} numbers, and others have ${this.#dimension}`,
      )
    if (this.#rules.allowNonFinite) return
    for (let index = 0; index < embedding.length; index++)
      if (!Number.isFinite(embedding[index]))
        throw this.#wrong(line, `embedding[${index}] is ${embedding[index] ?? NaN}`, {
          hint: 'put it right, or give --allow-non-finite',
        })
  }

  #wrong(line: number, message: string, details?: { hint: string }): RecordFileError {
    return new RecordFileError(this.#file, line, message, details)
  }
}
