import { pickRows } from '../core/batch-rows.js'
import { concatBatches } from '../core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../core/records.js'
import type { ChromaApi, Include } from './api.js'
import type { FindingCode } from './catalogue.js'
import { ChromaError, PayloadTooLargeError } from './errors.js'

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

export interface RecordFetcherOptions {
  /** Learns from each answer, and from those that were too large, how large records are. */
  readonly onAnswer?: (answer: { readonly records: number; readonly bytes: number }) => void
  /** Answers about several records that are larger are not received; fewer are asked for instead. */
  readonly maxAnswerBytes?: number
}

/**
 * Fetches the records of one collection by id. What is too much for one answer is asked for in halves.
 * Records whose vectors are lost come without them, and are never left out: a server that lacks one vector
 * refuses the whole request and does not say which, so smaller groups are tried until each record has
 * either been delivered or been refused alone.
 */
export class RecordFetcher {
  readonly #api: ChromaApi
  readonly #collection: CollectionDefinition
  readonly #options: RecordFetcherOptions
  /** More ids at once were too much for the server. */
  #mostIds = Infinity
  /** Ids to try at once where vectors are lost: one where most are, many where few are. */
  #group = 250

  constructor(api: ChromaApi, collection: CollectionDefinition, options: RecordFetcherOptions = {}) {
    this.#api = api
    this.#collection = collection
    this.#options = options
  }

  /** More ids than this are asked for in several requests. */
  get mostIds(): number {
    return this.#mostIds
  }

  /** The records in the order of `ids`; those that are not there are left out. */
  async fetch(ids: readonly string[], signal?: AbortSignal): Promise<RecordBatch> {
    const batch = await this.#fetch(ids, signal)
    return inOrder(this.#concat([batch]), ids)
  }

  async #fetch(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    if (ids.length > this.#mostIds) return this.#halves(ids, signal)
    try {
      return await this.#get(ids, COLUMNS, signal)
    } catch (error) {
      const problem = problemIn(error)
      if (problem === 'too-large' && ids.length > 1) {
        this.#options.onAnswer?.({ records: ids.length, bytes: this.#options.maxAnswerBytes ?? 0 })
        return this.#halves(ids, signal)
      }
      if (problem === 'too-many' && ids.length > 1) {
        this.#mostIds = Math.ceil(ids.length / 2)
        return this.#halves(ids, signal)
      }
      if (problem === 'no-index') return this.#withoutVectors(ids, signal)
      if (problem === 'vectors-missing') return this.#separately(ids, signal)
      throw error
    }
  }

  async #halves(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    const middle = Math.ceil(ids.length / 2)
    const first = await this.#fetch(ids.slice(0, middle), signal)
    const second = await this.#fetch(ids.slice(middle), signal)
    return this.#concat([first, second])
  }

  async #separately(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    const whole: RecordBatch[] = []
    const lost: string[] = []
    for (let at = 0; at < ids.length;) {
      const group = ids.slice(at, at + this.#group)
      try {
        whole.push(await this.#get(group, COLUMNS, signal))
        at += group.length
        this.#group = 2 * group.length
      } catch (error) {
        const problem = problemIn(error)
        if (problem === null || problem === 'no-index') throw error
        if (problem !== 'vectors-missing' && group.length === 1) throw error
        this.#group = Math.max(1, group.length >> 2)
        if (group.length > 1) continue
        lost.push(...group)
        at++
      }
    }
    if (lost.length > 0) whole.push(await this.#withoutVectors(lost, signal))
    return this.#concat(whole)
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
    const limit = ids.length > 1 ? this.#options.maxAnswerBytes : undefined
    const { batch, bytes } = await this.#api.getWithSize(this.#collection, { ids, include }, signal, limit)
    this.#options.onAnswer?.({ records: batch.ids.length, bytes })
    return batch
  }

  #concat(batches: readonly RecordBatch[]): RecordBatch {
    return concatBatches(batches, this.#collection.dimension ?? 0)
  }
}

function problemIn(error: unknown): 'too-many' | 'too-large' | 'no-index' | 'vectors-missing' | null {
  // Without a status it was we who did not want so much.
  if (error instanceof PayloadTooLargeError) return error.status === null ? 'too-large' : 'too-many'
  if (!(error instanceof ChromaError)) return null
  if (INDEX_UNREADABLE.includes(error.finding)) return 'no-index'
  return VECTORS_MISSING.includes(error.finding) ? 'vectors-missing' : null
}

/** Records that were deleted and added again come last in the answer. */
function inOrder(batch: RecordBatch, ids: readonly string[]): RecordBatch {
  if (batch.ids.every((id, row) => id === ids[row])) return batch
  const rows = new Map(batch.ids.map((id, row) => [id, row]))
  const wanted = ids.flatMap((id) => rows.get(id) ?? [])
  return wanted.every((row, at) => row === at) ? batch : pickRows(batch, wanted)
}
