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
  /** Learns from each answer how large records are. */
  readonly onAnswer?: (answer: { readonly records: number; readonly bytes: number }) => void
  /** Answers about several records that are larger are not received; fewer are asked for instead. */
  readonly maxAnswerBytes?: number
  /** What an answer left out is asked for once more: only a record that is gone may be missed. */
  readonly askAgain?: boolean
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
  #mostIds: number
  /** Ids to try at once where vectors are lost: one where most are, many where few are. */
  #group = 250

  constructor(api: ChromaApi, collection: CollectionDefinition, options: RecordFetcherOptions = {}) {
    this.#api = api
    this.#collection = collection
    this.#options = options
    this.#mostIds = api.mostPerRequest
  }

  /** More ids than this are asked for in several requests. */
  get mostIds(): number {
    return this.#mostIds
  }

  /** The records in the order of `ids`; those that are not there are left out. */
  async fetch(ids: readonly string[], signal?: AbortSignal): Promise<RecordBatch> {
    const pieces: RecordBatch[] = []
    for await (const piece of await this.fetchPieces(ids, signal)) pieces.push(piece)
    return this.#concat(pieces)
  }

  /**
   * The same as one batch, already there when the promise resolves. What is too much at once comes in several,
   * each of which is asked for only when it is wanted, so that little of it is in memory.
   */
  async fetchPieces(ids: readonly string[], signal?: AbortSignal): Promise<AsyncIterable<RecordBatch>> {
    if (ids.length > this.#mostIds) return this.#halves(ids, signal)
    try {
      return this.#only(await this.#getAll(ids, signal), ids)
    } catch (error) {
      const problem = problemIn(error)
      if (problem === 'no-index') return this.#only(await this.#withoutVectors(ids, signal), ids)
      if (problem === 'vectors-missing') return this.#only(await this.#separately(ids, signal), ids)
      if (problem === null || ids.length === 1) throw error
      if (problem === 'too-many') this.#mostIds = Math.ceil(ids.length / 2)
      return this.#halves(ids, signal)
    }
  }

  async *#halves(ids: readonly string[], signal: AbortSignal | undefined): AsyncGenerator<RecordBatch> {
    const middle = Math.ceil(ids.length / 2)
    yield* await this.fetchPieces(ids.slice(0, middle), signal)
    yield* await this.fetchPieces(ids.slice(middle), signal)
  }

  async *#only(batch: RecordBatch, ids: readonly string[]): AsyncGenerator<RecordBatch> {
    yield inOrder(this.#concat([batch]), ids)
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

  async #getAll(ids: readonly string[], signal: AbortSignal | undefined): Promise<RecordBatch> {
    const batch = await this.#get(ids, COLUMNS, signal)
    if (batch.ids.length === ids.length || this.#options.askAgain !== true) return batch
    const found = new Set(batch.ids)
    const leftOut = ids.filter((id) => !found.has(id))
    return this.#concat([batch, await this.#get(leftOut, COLUMNS, signal)])
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
