import { ChromaApi } from './chroma/api.js'
import { connectTransport } from './chroma/connect.js'
import { ChromaConflictError } from './chroma/errors.js'
import { spaceOf } from './chroma/space.js'
import type { ServerOptions, TransportStats } from './chroma/transport.js'
import { GuardError } from './core/errors.js'
import { isHousekeeping } from './core/own-collections.js'
import { silentProgress } from './core/progress.js'
import type { CollectionDefinition, Space } from './core/records.js'
import { checkHealth } from './health/check-health.js'
import type { HealthLevel, HealthReport } from './health/report.js'
import { ManagedCollection } from './managed-collection.js'
import { toMetadata, type PlainMetadata } from './plain-records.js'

export interface DatabaseOptions extends ServerOptions {
  /** Default: `default_tenant`. */
  readonly tenant?: string
  /** Default: `default_database`. */
  readonly database?: string
}

export interface CollectionOptions {
  /** Default: l2. It cannot be changed later. */
  readonly space?: Space
  /** For a new collection. */
  readonly metadata?: PlainMetadata
}

/** One database of a Chroma server, with a connection pool of its own. */
export class ManagedDatabase {
  readonly tenant: string
  readonly database: string
  readonly #api: ChromaApi

  private constructor(api: ChromaApi, tenant: string, database: string) {
    this.#api = api
    this.tenant = tenant
    this.database = database
  }

  /** Rejects like {@link connectTransport}, and with TenantNotFoundError or DatabaseNotFoundError. */
  static async open(options: DatabaseOptions): Promise<ManagedDatabase> {
    const { tenant = 'default_tenant', database = 'default_database' } = options
    const api = new ChromaApi(await connectTransport(options))
    try {
      await api.getDatabase(tenant, database, options.signal)
      return new ManagedDatabase(api, tenant, database)
    } catch (error) {
      await api.transport.close()
      throw error
    }
  }

  /** Of the server, without credentials. */
  get url(): string {
    return this.#api.transport.displayUrl
  }

  get stats(): TransportStats {
    return this.#api.transport.stats
  }

  /**
   * The collection of this name, made if there is none; of several callers at once, one makes it. Rejects with
   * a GuardError `SPACE_DIFFERS` (15) when it measures otherwise than `space` says.
   */
  async collection(
    name: string,
    { space, metadata }: CollectionOptions = {},
    signal?: AbortSignal,
  ): Promise<ManagedCollection> {
    const wanted = { tenant: this.tenant, database: this.database, name }
    const found = await this.#api.findCollection(wanted, signal)
    const definition =
      found ?? (await this.#create({ ...wanted, space: space ?? 'l2', metadata: metadata ?? null }, signal))
    const actual = spaceOf(definition)
    if (space !== undefined && actual !== space)
      throw new GuardError('SPACE_DIFFERS', `collection ${name} measures ${actual}, not ${space}`, {
        hint: 'use it as it is, or make a new collection and write its records anew',
      })
    return new ManagedCollection(this.#api, definition)
  }

  /** Names of all collections, sorted; without those that are still being built, and the lock of migrations. */
  async collectionNames(signal?: AbortSignal): Promise<string[]> {
    const collections = await this.#api.listCollections(this.tenant, this.database, signal)
    return collections
      .filter((collection) => !isHousekeeping(collection))
      .map(({ name }) => name)
      .sort()
  }

  /** Through the pool in use. Never rejects because of the server; see {@link checkHealth}. */
  async health(level: HealthLevel = 'ready', signal?: AbortSignal): Promise<HealthReport> {
    return checkHealth({
      server: this.#api,
      level,
      scope: {
        tenants: [this.tenant],
        databases: [this.database],
        selection: { include: [], exclude: [] },
      },
      progress: silentProgress,
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    await this.#api.transport.close()
  }

  async #create(
    wanted: Pick<CollectionDefinition, 'tenant' | 'database' | 'name'> & {
      readonly space: Space
      readonly metadata: PlainMetadata | null
    },
    signal: AbortSignal | undefined,
  ): Promise<CollectionDefinition> {
    const { space, metadata, ...name } = wanted
    try {
      return await this.#api.createCollection(
        {
          ...name,
          metadata: toMetadata(metadata, `the metadata of collection ${name.name}`),
          schema: null,
          configuration: new Map([['hnsw', new Map([['space', space]])]]),
        },
        signal,
      )
    } catch (error) {
      // Another caller was faster.
      if (error instanceof ChromaConflictError) return this.#api.getCollection(name, signal)
      throw error
    }
  }
}
