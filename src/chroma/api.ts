import { stringifyJson, type JsonValue } from '../core/json.js'
import { metadataToJson } from '../core/metadata-json.js'
import { namesToChoose } from '../core/own-collections.js'
import type { CollectionDefinition, CollectionName, RecordBatch } from '../core/records.js'
import { integerOf } from './answers.js'
import { collectionNamePath, collectionPath, collectionsPath, type CollectionRef } from './api-path.js'
import { encodeRecords } from './codec/add-body.js'
import { getBody, readGetAnswer, type GetRequest } from './codec/get-answer.js'
import { readIdList } from './codec/id-list.js'
import { queryBody, readQueryAnswer, type QueryHit, type VectorQuery } from './codec/query.js'
import { definitionOf, definitionsFromWire } from './definition.js'
import { ChromaNotFoundError, CollectionNotFoundError } from './errors.js'
import { allPages } from './pages.js'
import { sendOnce } from './sent-once.js'
import { ServerApi } from './server-api.js'

export type { CollectionRef } from './api-path.js'
export type { GetRequest, Include } from './codec/get-answer.js'
export type { QueryHit, VectorQuery } from './codec/query.js'
export { cloudQuota, type PreFlight, type ServerQuota } from './server-api.js'

/**
 * Chroma takes `null` for "leave it" and refuses `{}`; but it replaces the whole of the metadata, and leaves
 * out keys that are null.
 */
const NO_METADATA: JsonValue = new Map([['none', null]])

/** What a new collection shall be. A server takes a schema or a configuration, not both. */
export interface CollectionSpec extends CollectionName {
  readonly metadata: CollectionDefinition['metadata']
  readonly configuration: JsonValue
  readonly schema: JsonValue
}

export interface CollectionChange {
  readonly newName?: string
  /** Replaces all of the old metadata; null removes it. */
  readonly newMetadata?: CollectionDefinition['metadata']
}

/**
 * The operations of Chroma's API v2, typed and without loss. Rejects with the errors of the transport, and
 * with {@link TenantNotFoundError}, {@link DatabaseNotFoundError} and {@link CollectionNotFoundError}.
 */
export class ChromaApi extends ServerApi {
  /** All collections of a database. Rejects with {@link DatabaseNotFoundError}; the server would answer `[]`. */
  async listCollections(
    tenant: string,
    database: string,
    signal?: AbortSignal,
  ): Promise<CollectionDefinition[]> {
    await this.getDatabase(tenant, database, signal)
    const path = collectionsPath({ tenant, database })
    return allPages(
      (page) => this.getJson(`${path}?${page}`, definitionsFromWire, signal),
      ({ id }) => id,
    )
  }

  /** Rejects with {@link CollectionNotFoundError}, which names those that are there. */
  async getCollection(collection: CollectionName, signal?: AbortSignal): Promise<CollectionDefinition> {
    const found = await this.findCollection(collection, signal)
    if (found !== undefined) return found
    const { tenant, database, name } = collection
    const known = await this.listCollections(tenant, database, signal)
    throw new CollectionNotFoundError([name], namesToChoose(known))
  }

  /** The definition, or undefined when there is no collection of this name. */
  async findCollection(
    collection: CollectionName,
    signal?: AbortSignal,
  ): Promise<CollectionDefinition | undefined> {
    try {
      return await this.getJson(collectionNamePath(collection), definitionOf(collection), signal)
    } catch (error) {
      if (error instanceof ChromaNotFoundError) return undefined
      throw error
    }
  }

  /**
   * Sends exactly what the spec says; see {@link createLike} for what a faithful copy needs. Rejects with a
   * {@link ChromaConflictError} when the name is taken.
   */
  async createCollection(spec: CollectionSpec, signal?: AbortSignal): Promise<CollectionDefinition> {
    const body = new Map<string, JsonValue>([['name', spec.name]])
    if (spec.metadata !== null) body.set('metadata', metadataToJson(spec.metadata))
    if (spec.schema !== null) body.set('schema', spec.schema)
    else if (spec.configuration !== null) body.set('configuration', spec.configuration)
    const request = {
      method: 'POST',
      path: collectionsPath(spec),
      body: stringifyJson(body),
      idempotent: false,
      signal,
    } as const
    return sendOnce({
      send: () => this.exchangeJson(request, definitionOf(spec)),
      // Nobody else writes into a collection that is being made: what is there and empty is ours.
      readBack: async () => {
        const found = await this.findCollection(spec, signal)
        return found !== undefined && (await this.count(found, signal)) === 0 ? found : undefined
      },
    })
  }

  /** A new name, new metadata, or both at once. Rejects with a {@link ChromaConflictError} if the name is taken. */
  async updateCollection(
    collection: CollectionRef,
    { newName, newMetadata }: CollectionChange,
    signal?: AbortSignal,
  ): Promise<void> {
    const body = new Map<string, JsonValue>()
    if (newName !== undefined) body.set('new_name', newName)
    if (newMetadata !== undefined)
      body.set('new_metadata', newMetadata === null ? NO_METADATA : metadataToJson(newMetadata))
    const put = {
      method: 'PUT',
      path: collectionPath(collection),
      body: stringifyJson(body),
      signal,
    } as const
    await this.#known(collection, async () => {
      if (newName === undefined) return this.transport.send({ ...put, idempotent: true })
      return sendOnce<unknown>({
        send: () => this.transport.send({ ...put, idempotent: false }),
        readBack: async () => {
          const found = await this.findCollection({ ...collection, name: newName }, signal)
          return found?.id === collection.id ? true : undefined
        },
      })
    })
  }

  /** Deletes the collection that has this name and this id; another one of the same name stays. */
  async deleteCollection(collection: CollectionRef, signal?: AbortSignal): Promise<void> {
    const isThere = async () => (await this.findCollection(collection, signal))?.id === collection.id
    if (!(await isThere())) throw new CollectionNotFoundError([collection.name])
    await sendOnce<unknown>({
      send: () =>
        this.transport.send({
          method: 'DELETE',
          path: collectionNamePath(collection),
          idempotent: false,
          signal,
        }),
      readBack: async () => ((await isThere()) ? undefined : true),
    })
  }

  async count(collection: CollectionRef, signal?: AbortSignal): Promise<number> {
    const read = (answer: JsonValue) => Number(integerOf(answer))
    return this.#known(collection, () => this.getJson(`${collectionPath(collection)}/count`, read, signal))
  }

  /**
   * Records by id, or a page by offset. Ids that are not there are left out. Columns that are not included
   * are null, and vectors that are not included have dimension 0. A vector that holds something else than
   * finite numbers counts as missing.
   */
  async get(collection: CollectionRef, request: GetRequest, signal?: AbortSignal): Promise<RecordBatch> {
    return (await this.getWithSize(collection, request, signal)).batch
  }

  /**
   * Like {@link get}; `bytes` is the size of the answer. One that is larger than `maxAnswerBytes` is refused
   * with a {@link PayloadTooLargeError} whose status is null.
   */
  async getWithSize(
    collection: CollectionRef,
    request: GetRequest,
    signal?: AbortSignal,
    maxAnswerBytes?: number,
  ): Promise<{ readonly batch: RecordBatch; readonly bytes: number }> {
    const post = { ...this.#post(collection, 'get', getBody(request), signal), maxAnswerBytes }
    return this.#known(collection, () =>
      this.transport.exchange(post, (body) => ({
        batch: readGetAnswer(body, request),
        bytes: body.length,
      })),
    )
  }

  /** Ids in the order of insertion, as they arrive; the whole list is one consistent answer. */
  async *listIds(
    collection: CollectionRef,
    page: { readonly limit?: number; readonly offset?: number },
    signal?: AbortSignal,
  ): AsyncGenerator<readonly string[], void, undefined> {
    const request = this.#post(collection, 'get', getBody({ ...page, include: [] }), signal)
    yield* readIdList(await this.#known(collection, () => this.transport.stream(request)))
  }

  /** Existing ids are left as they are, so sending a batch twice is harmless. */
  async add(collection: CollectionRef, batch: RecordBatch, signal?: AbortSignal): Promise<void> {
    await this.addEncoded(collection, encodeRecords(batch), signal)
  }

  /** Like {@link add}, or {@link upsert}, for a body made by `encodeRecords`. */
  async addEncoded(
    collection: CollectionRef,
    body: Uint8Array,
    signal?: AbortSignal,
    operation: 'add' | 'upsert' = 'add',
  ): Promise<void> {
    await this.#known(collection, () => this.transport.send(this.#post(collection, operation, body, signal)))
  }

  /** Replaces vectors and documents of existing ids; their metadata is merged, as Chroma does it. */
  async upsert(collection: CollectionRef, batch: RecordBatch, signal?: AbortSignal): Promise<void> {
    await this.addEncoded(collection, encodeRecords(batch), signal, 'upsert')
  }

  /** Ids that are not there are no error. */
  async deleteRecords(
    collection: CollectionRef,
    ids: readonly string[],
    signal?: AbortSignal,
  ): Promise<void> {
    const size = Math.min(ids.length, this.mostPerRequest)
    for (let at = 0; at < ids.length; at += size) {
      const body = JSON.stringify({ ids: ids.slice(at, at + size) })
      const request = this.#post(collection, 'delete', body, signal)
      await this.#known(collection, () => this.transport.send(request))
    }
  }

  /** The nearest records, nearest first. Fewer than asked for when vectors are lost. */
  async query(collection: CollectionRef, query: VectorQuery, signal?: AbortSignal): Promise<QueryHit[]> {
    const request = this.#post(collection, 'query', queryBody(query), signal)
    return this.#known(collection, () => this.transport.exchange(request, readQueryAnswer))
  }

  /** Every POST to records may be sent twice: reading, and writing by id. */
  #post(
    collection: CollectionRef,
    operation: 'get' | 'add' | 'upsert' | 'delete' | 'query',
    body: string | Uint8Array,
    signal: AbortSignal | undefined,
  ) {
    const path = `${collectionPath(collection)}/${operation}`
    return { method: 'POST', path, body, idempotent: true, signal } as const
  }

  async #known<T>(collection: CollectionName, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof ChromaNotFoundError) || error instanceof CollectionNotFoundError) throw error
      throw new CollectionNotFoundError([collection.name], [], error)
    }
  }
}
