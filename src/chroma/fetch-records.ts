import { pickRows } from '../core/batch-rows.js'
import { concatBatches } from '../core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../core/records.js'
import type { ChromaApi, Include } from './api.js'
import type { FindingCode } from './catalogue.js'
import { ChromaError, ChromaServerError, PayloadTooLargeError } from './errors.js'

const COLUMNS: readonly Include[] = ['embeddings', 'documents', 'metadatas', 'uris']
const COLUMNS_WITHOUT_VECTORS: readonly Include[] = ['documents', 'metadatas', 'uris']

/** Some of the vectors that were asked for cannot be read, perhaps not all. */
const VECTORS_MISSING: readonly (FindingCode | null)[] = ['VECTOR_MISSING', 'HNSW_DIVERGED']
/** The index as a whole cannot be read. */
const INDEX_UNREADABLE: readonly (FindingCode | null)[] = [
  'HNSW_UNLOADABLE',
  'HNSW_MISSING',
  'LINKLIST_CORRUPT',
  'PICKLE_BAD',
]

/**
 * Fetches the records of one collection by id. What is too much for one answer is asked for in halves.
 * Where vectors are lost, the halves lead to the very records: those come without a vector, and are never
 * left out.
 */
export class RecordFetcher {
  readonly #api: ChromaApi
  readonly #collection: CollectionDefinition
  readonly #onAnswer: (answer: { readonly records: number; readonly bytes: number }) => void
  /** More ids at once were too much for the server. */
  #mostIds = Infinity

  constructor(
    api: ChromaApi,
    collection: CollectionDefinition,
    onAnswer: (answer: { readonly records: number; readonly bytes: number }) => void = () => {},
  ) {
    this.#api = api
    this.#collection = collection
    this.#onAnswer = onAnswer
  }

  /** More ids than this are asked for in several requests. */
  get mostIds(): number {
    return this.#mostIds
  }

  /** The records in the order of `ids`; those that are not there are left out. */
  async fetch(ids: readonly string[], signal?: AbortSignal): Promise<RecordBatch> {
    const batch = await this.#fetch(ids, signal)
    const whole = concatBatches([batch], this.#collection.dimension ?? 0)
    return inOrder(whole, ids)
  }

  async #fetch(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    if (ids.length > this.#mostIds) return this.#halves(ids, signal)
    try {
      return await this.#get(ids, COLUMNS, signal)
    } catch (error) {
      if (!(error instanceof ChromaError)) throw error
      if (error instanceof PayloadTooLargeError && ids.length > 1) {
        this.#mostIds = Math.ceil(ids.length / 2)
        return this.#halves(ids, signal)
      }
      if (INDEX_UNREADABLE.includes(error.finding)) return this.#withoutVectors(ids, signal)
      if (!VECTORS_MISSING.includes(error.finding)) throw error
      if (ids.length === 1 || !(await this.#hasAnyVector(signal))) return this.#withoutVectors(ids, signal)
      return this.#halves(ids, signal)
    }
  }

  async #halves(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    const middle = Math.ceil(ids.length / 2)
    const first = await this.#fetch(ids.slice(0, middle), signal)
    const second = await this.#fetch(ids.slice(middle), signal)
    return concatBatches([first, second], this.#collection.dimension ?? 0)
  }

  async #withoutVectors(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    const batch = await this.#get(ids, COLUMNS_WITHOUT_VECTORS, signal)
    return { ...batch, missingEmbeddings: batch.ids.map((_, row) => row) }
  }

  async #get(
    ids: readonly string[],
    include: readonly Include[],
    signal: AbortSignal | undefined,
  ): Promise<RecordBatch> {
    const { batch, bytes } = await this.#api.getWithSize(this.#collection, { ids, include }, signal)
    this.#onAnswer({ records: batch.ids.length, bytes })
    return batch
  }

  /** An index without any vector finds nothing; then there is no need to ask for each record in turn. */
  async #hasAnyVector(signal: AbortSignal | undefined): Promise<boolean> {
    const { dimension } = this.#collection
    if (dimension === null) return true
    const query = { vector: new Float32Array(dimension).fill(1), limit: 1, withVectors: false }
    try {
      return (await this.#api.query(this.#collection, query, signal)).length > 0
    } catch (error) {
      // A damaged index may refuse this, too; then each record tells for itself.
      if (error instanceof ChromaServerError) return true
      throw error
    }
  }
}

/** Records that were deleted and added again come last in the answer. */
function inOrder(batch: RecordBatch, ids: readonly string[]): RecordBatch {
  const rows = new Map(batch.ids.map((id, row) => [id, row]))
  const wanted = ids.flatMap((id) => rows.get(id) ?? [])
  return wanted.every((row, at) => row === at) ? batch : pickRows(batch, wanted)
}
