import type { ChromaApi } from './chroma/api.js'
import { sliceRows } from './core/batch-rows.js'
import type { CollectionDefinition } from './core/records.js'
import { fromBatch, toBatch, type PlainRecord, type StoredRecord } from './plain-records.js'

export interface FoundRecord extends StoredRecord {
  /** In the collection's space: squared for l2, 1 - cosine, 1 - product. Null when it is not finite. */
  readonly distance: number | null
}

/**
 * A collection for applications. Every call goes through the pool and is repeated when that is safe; it
 * rejects with a CollectionNotFoundError when the collection was deleted meanwhile.
 */
export class ManagedCollection {
  readonly definition: CollectionDefinition
  readonly #api: ChromaApi

  constructor(api: ChromaApi, definition: CollectionDefinition) {
    this.#api = api
    this.definition = definition
  }

  async count(signal?: AbortSignal): Promise<number> {
    return this.#api.count(this.definition, signal)
  }

  /**
   * Adds records, and replaces those that are there: vector and document; metadata is merged, as Chroma does
   * it. Any number of them; sent in pieces, so a failure may leave some written. Doing it again is safe.
   */
  async upsert(records: readonly PlainRecord[], signal?: AbortSignal): Promise<void> {
    const batch = toBatch(records)
    const rows = Math.max(1, Math.min(MAX_ROWS, Math.floor(BODY_NUMBERS / Math.max(1, batch.dimension))))
    for (let row = 0; row < records.length; row += rows)
      await this.#api.upsert(this.definition, sliceRows(batch, row, row + rows), signal)
  }

  /** In the order of insertion; ids that are not there are left out. At most 5,000 ids. */
  async get(ids: readonly string[], signal?: AbortSignal): Promise<StoredRecord[]> {
    return fromBatch(await this.#api.get(this.definition, { ids, include: EVERYTHING }, signal))
  }

  /** The records nearest to a vector, nearest first. */
  async query(vector: ArrayLike<number>, limit: number, signal?: AbortSignal): Promise<FoundRecord[]> {
    const request = { vector: Float32Array.from(vector), limit, withVectors: false }
    const hits = await this.#api.query(this.definition, request, signal)
    const records = await this.get(
      hits.map(({ id }) => id),
      signal,
    )
    const byId = new Map(records.map((record) => [record.id, record]))
    return hits.flatMap(({ id, distance }) => {
      const record = byId.get(id)
      // Deleted between the two requests.
      return record === undefined ? [] : [{ ...record, distance }]
    })
  }

  /** Ids that are not there are no error. */
  async delete(ids: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#api.deleteRecords(this.definition, ids, signal)
  }
}

const EVERYTHING = ['documents', 'embeddings', 'metadatas', 'uris'] as const
const MAX_ROWS = 1_000
/** In one request; a server takes 40 MiB. */
const BODY_NUMBERS = 1_000_000
