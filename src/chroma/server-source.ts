import { anySignal } from '../core/abort.js'
import { mapInOrder } from '../core/map-in-order.js'
import { isHousekeeping } from '../core/own-collections.js'
import type {
  CollectionDefinition,
  CollectionReader,
  ReadConsistency,
  RecordBatch,
  RecordSource,
} from '../core/records.js'
import type { ChromaApi } from './api.js'
import { BatchSizer } from './batch-sizer.js'
import { CollectionNotFoundError } from './errors.js'
import { RecordFetcher } from './fetch-records.js'
import type { IdSpool } from './id-spool.js'
import { withListing } from './list-windows.js'
import { withTrueSpace } from './probe-space.js'
import { groupsOf, spoolIds } from './read-by-ids.js'
import { compareWithSpool, type SpoolDifference } from './spool-difference.js'

/** Which part of a server is read. Tenants cannot be listed, so they are named. */
export interface ServerScope {
  readonly tenants: readonly string[]
  /** Default: all databases of the tenants. Each must be there in each tenant. */
  readonly databases?: readonly string[] | undefined
}

export interface ServerSourceOptions {
  readonly api: ChromaApi
  readonly scope: ServerScope
  /** For the lists of ids, which are not kept in memory. */
  readonly tempDir: string
  /** Size of an answer to aim at; default 4 MB. Some times `concurrency` of it is in memory. */
  readonly batchBytes?: number
  /** Requests for records under way at once; default 4. */
  readonly concurrency?: number
  /** Ids per listing request; default 1,000,000. */
  readonly windowIds?: number
}

export const defaultServerSourceOptions = {
  batchBytes: 4_000_000,
  concurrency: 4,
  windowIds: 1_000_000,
} as const

/** An answer may be so many times as large as aimed at; long documents come as a surprise. */
const SURPRISE = 4

/**
 * A running server, read over HTTP. Collections that are still being built, and the lock of migrations, are left
 * out.
 */
export class ServerSource implements RecordSource {
  readonly displayUrl: string
  readonly #options: Required<ServerSourceOptions>

  constructor(options: ServerSourceOptions) {
    this.#options = { ...defaultServerSourceOptions, ...options }
    this.displayUrl = options.api.transport.displayUrl
  }

  /** Rejects with a TenantNotFoundError or a DatabaseNotFoundError when the scope names one that is missing. */
  async listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    const { api, scope } = this.#options
    const collections: CollectionDefinition[] = []
    for (const tenant of scope.tenants) {
      const databases = scope.databases ?? (await api.listDatabases(tenant, signal))
      if (scope.databases !== undefined) await api.getTenant(tenant, signal)
      for (const database of databases)
        collections.push(...(await api.listCollections(tenant, database, signal)))
    }
    const own: CollectionDefinition[] = []
    for (const collection of collections)
      if (!isHousekeeping(collection)) own.push(await withTrueSpace(api, collection, signal))
    return own.sort(byAddress)
  }

  async openCollection(definition: CollectionDefinition, signal?: AbortSignal): Promise<CollectionReader> {
    const { api } = this.#options
    const current = await withTrueSpace(api, await api.getCollection(definition, signal), signal)
    if (current.id !== definition.id) throw new CollectionNotFoundError([definition.name])
    const expectedRecords = await api.count(current, signal)
    return new ServerCollectionReader(this.#options, current, expectedRecords)
  }

  /** The connection belongs to the caller. */
  async close(): Promise<void> {}
}

class ServerCollectionReader implements CollectionReader {
  readonly definition: CollectionDefinition
  readonly expectedRecords: number
  readonly #options: Required<ServerSourceOptions>
  readonly #fetcher: RecordFetcher
  readonly #sizer: BatchSizer
  #consistency: ReadConsistency | undefined
  /** Records in the answers so far; none counts twice. */
  #received = 0

  constructor(
    options: Required<ServerSourceOptions>,
    definition: CollectionDefinition,
    expectedRecords: number,
  ) {
    this.#options = options
    this.definition = definition
    this.expectedRecords = expectedRecords
    this.#sizer = new BatchSizer(options.batchBytes, 600 + 12 * (definition.dimension ?? 0))
    this.#fetcher = new RecordFetcher(options.api, definition, {
      onAnswer: (answer) => {
        this.#received += answer.records
        this.#sizer.learn(answer)
      },
      maxAnswerBytes: SURPRISE * options.batchBytes,
      askAgain: true,
    })
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch, void, undefined> {
    this.#consistency = undefined
    this.#received = 0
    const { concurrency } = this.#options
    const spool = await spoolIds(this.#listJob(signal), this.#options.tempDir)
    const stop = new AbortController()
    let closing: Promise<SpoolDifference> | undefined
    try {
      const fetch = async (ids: readonly string[], fetchSignal: AbortSignal) => {
        const pieces = await this.#fetcher.fetchPieces(ids, fetchSignal)
        // Nothing is left to read: the server lists while the consumer has the last batches.
        if (this.#received === spool.ids) closing = this.#listAgain(spool, anySignal(signal, stop.signal))
        return pieces
      }
      // As many ids in one request as fit by what is known when it is sent.
      const requests = groupsOf(spool.read(), () => this.#rows())
      let missing = spool.ids
      for await (const pieces of mapInOrder(requests, concurrency, fetch, signal)) {
        for await (const batch of pieces) {
          missing -= batch.ids.length
          if (batch.ids.length > 0) yield batch
        }
      }
      const difference = await (closing ?? this.#listAgain(spool, signal))
      this.#consistency = { ...difference, missing }
    } finally {
      stop.abort()
      await Promise.allSettled([closing])
      await spool.dispose()
    }
  }

  consistency(): ReadConsistency {
    if (this.#consistency === undefined) throw new Error('the collection has not been read to its end')
    return this.#consistency
  }

  /** What has changed since the list in `spool` was made. */
  #listAgain(spool: IdSpool, signal: AbortSignal | undefined): Promise<SpoolDifference> {
    const difference = withListing(this.#listJob(signal), (ids) =>
      compareWithSpool(spool, ids, this.#options.tempDir),
    )
    // Awaited in its turn; until then a failure must not count as unhandled.
    difference.catch(() => {})
    return difference
  }

  #rows(): number {
    return this.#sizer.rows(this.#fetcher.mostIds)
  }

  #listJob(signal: AbortSignal | undefined) {
    const { api, windowIds } = this.#options
    const window = Math.min(windowIds, api.mostPerRequest)
    return { api, collection: this.definition, window, signal }
  }
}

function byAddress(a: CollectionDefinition, b: CollectionDefinition): number {
  return compare(a.tenant, b.tenant) || compare(a.database, b.database) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
