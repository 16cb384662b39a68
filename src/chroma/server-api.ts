import type { JsonValue } from '../core/json.js'
import { decodeJson, expectName, flagMember, integerMember, namesOf } from './answers.js'
import { apiRoot, databasePath, tenantPath } from './api-path.js'
import {
  ChromaConflictError,
  ChromaNotFoundError,
  ChromaNotSupportedError,
  DatabaseNotFoundError,
  NotChromaError,
  TenantNotFoundError,
} from './errors.js'
import { fingerprintFrom, type ServerFingerprint } from './fingerprint.js'
import { allPages } from './pages.js'
import type { ChromaRequest, ChromaTransport } from './transport.js'

export interface PreFlight {
  /** Records; a hint to clients, which the server does not enforce. */
  readonly maxBatchSize: number
  /** Vectors may be sent as base64 of little-endian float32. */
  readonly base64: boolean
}

/** What a hosted server does not allow; see {@link cloudQuota}. */
export interface ServerQuota {
  readonly mostPerRequest?: number
}

/** Of Chroma Cloud: records of a write and results of a read (docs.trychroma.com/cloud/quotas-limits). */
export const cloudQuota: Required<ServerQuota> = { mostPerRequest: 300 }

/** The server itself, its tenants and databases. Rejects with the errors of the transport. */
export class ServerApi {
  readonly transport: ChromaTransport
  /** Records in one request or answer; Infinity where the server has no such limit. */
  readonly mostPerRequest: number
  #fingerprint: ServerFingerprint | undefined

  constructor(transport: ChromaTransport, { mostPerRequest = Infinity }: ServerQuota = {}) {
    this.transport = transport
    this.mostPerRequest = mostPerRequest
  }

  /** The server's clock in nanoseconds. Says nothing about whether data can be read. */
  async heartbeat(signal?: AbortSignal): Promise<bigint> {
    const read = (answer: JsonValue) => integerMember(answer, 'nanosecond heartbeat')
    return this.getJson(`${apiRoot}/heartbeat`, read, signal)
  }

  /** What the server thinks of itself; a single node always answers true. */
  async healthcheck(signal?: AbortSignal): Promise<{ executorReady: boolean; logClientReady: boolean }> {
    const read = (answer: JsonValue) => ({
      executorReady: flagMember(answer, 'is_executor_ready'),
      logClientReady: flagMember(answer, 'is_log_client_ready'),
    })
    return this.getJson(`${apiRoot}/healthcheck`, read, signal)
  }

  async preFlight(signal?: AbortSignal): Promise<PreFlight> {
    const read = (answer: JsonValue) => ({
      maxBatchSize: Number(integerMember(answer, 'max_batch_size')),
      base64: flagMember(answer, 'supports_base64_encoding'),
    })
    return this.getJson(`${apiRoot}/pre-flight-checks`, read, signal)
  }

  /** Which release this may be and what it can do, and how that was found out. Asked once. */
  async fingerprint(signal?: AbortSignal): Promise<ServerFingerprint> {
    if (this.#fingerprint === undefined) {
      const openapi = await this.#optional('/openapi.json', signal)
      const version = await this.#optional(`${apiRoot}/version`, signal)
      this.#fingerprint = fingerprintFrom(openapi, typeof version === 'string' ? version : null)
    }
    return this.#fingerprint
  }

  /** Rejects with {@link TenantNotFoundError}. Tenants cannot be listed. */
  async getTenant(tenant: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.getJson(tenantPath(tenant), (answer) => expectName(answer, tenant), signal)
    } catch (error) {
      if (!(error instanceof ChromaNotFoundError)) throw error
      throw new TenantNotFoundError([tenant], [], error)
    }
  }

  /** Succeeds when it is there already. */
  async createTenant(tenant: string, signal?: AbortSignal): Promise<void> {
    await this.#createNamed(`${apiRoot}/tenants`, tenant, signal)
  }

  /** Names of all databases, sorted. Rejects with {@link TenantNotFoundError}. */
  async listDatabases(tenant: string, signal?: AbortSignal): Promise<string[]> {
    await this.getTenant(tenant, signal)
    const path = `${tenantPath(tenant)}/databases`
    const names = await allPages(
      (page) => this.getJson(`${path}?${page}`, namesOf, signal),
      (name) => name,
    )
    return names.sort()
  }

  /** Rejects with {@link DatabaseNotFoundError}, which names those that are there. */
  async getDatabase(tenant: string, database: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.getJson(databasePath(tenant, database), (answer) => expectName(answer, database), signal)
    } catch (error) {
      if (!(error instanceof ChromaNotFoundError)) throw error
      throw new DatabaseNotFoundError([database], await this.listDatabases(tenant, signal), error)
    }
  }

  /** Succeeds when it is there already. Rejects with {@link TenantNotFoundError}. */
  async createDatabase(tenant: string, database: string, signal?: AbortSignal): Promise<void> {
    // The server would put it into a tenant that does not exist.
    await this.getTenant(tenant, signal)
    await this.#createNamed(`${tenantPath(tenant)}/databases`, database, signal)
  }

  /** What `read` makes of the answer; one that it refuses as garbled is asked for again. */
  protected async getJson<T>(
    path: string,
    read: (answer: JsonValue) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return this.exchangeJson({ method: 'GET', path, idempotent: true, signal }, read)
  }

  protected async exchangeJson<T>(request: ChromaRequest, read: (answer: JsonValue) => T): Promise<T> {
    return this.transport.exchange(request, (body) => read(decodeJson(body)))
  }

  /** A name is all there is to a tenant or a database: creating it twice is creating it. */
  async #createNamed(path: string, name: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.transport.send({
        method: 'POST',
        path,
        body: JSON.stringify({ name }),
        idempotent: true,
        signal,
      })
    } catch (error) {
      if (!(error instanceof ChromaConflictError)) throw error
    }
  }

  /** Null when the server does not have this path. */
  /** Null: the server has nothing there, or a proxy in front of it has a page of its own. */
  async #optional(path: string, signal: AbortSignal | undefined): Promise<JsonValue> {
    const decode = (body: Buffer) => (body[0] === MARKUP ? null : decodeJson(body))
    try {
      return await this.transport.exchange({ method: 'GET', path, idempotent: true, signal }, decode)
    } catch (error) {
      const absent = [ChromaNotSupportedError, ChromaNotFoundError, NotChromaError]
      if (absent.some((kind) => error instanceof kind)) return null
      throw error
    }
  }
}

/** `<` */
const MARKUP = 0x3c
