import type { CircuitState } from '../core/circuit-breaker.js'
import type { RetryEvent, RetryStats } from '../core/retry.js'
import type { RetryPolicy } from '../core/retry-policy.js'
import type { PoolOptions, PoolStats } from './pool-options.js'

export interface ChromaRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Behind the server's prefix, percent-encoded: `/api/v2/heartbeat`, `/openapi.json`. */
  readonly path: string
  /** JSON text. */
  readonly body?: string | Uint8Array | undefined
  /**
   * May be sent again after a failure whose outcome is unknown. Other requests are repeated only when the
   * server has surely not acted on them.
   */
  readonly idempotent: boolean
  readonly signal?: AbortSignal | undefined
  /** Overrides {@link ServerOptions.requestTimeoutMs}. */
  readonly timeoutMs?: number | undefined
  /** A larger answer is not received: {@link PayloadTooLargeError} without a status. Not for streams. */
  readonly maxAnswerBytes?: number | undefined
}

/**
 * Requests to one Chroma server, over a pool of connections, repeated as the retry policy says. Every
 * method rejects with a ChromaError subclass, with {@link RetryExhausted}, {@link PoolExhausted} or
 * {@link AbortedError}.
 */
export interface ChromaTransport {
  /** For messages and manifests; without credentials, without a slash at the end. */
  readonly displayUrl: string

  /** The whole body of a 2xx answer. The buffer is the caller's own. */
  send(request: ChromaRequest): Promise<Buffer>

  /**
   * Like {@link send}, but what `decode` makes of the body. When `decode` throws a
   * {@link ChromaGarbledAnswerError}, the request is sent again if it is idempotent. The connection is free
   * for others while `decode` runs. `decode` must not keep `body`: its memory takes another answer afterwards.
   */
  exchange<T>(request: ChromaRequest, decode: (body: Buffer) => T | Promise<T>): Promise<T>

  /**
   * The body as it comes; repeated only before the first byte has been handed out. A body that breaks off
   * throws from the iteration. The connection is in use until the iteration has ended.
   */
  stream(request: ChromaRequest): Promise<AsyncIterable<Uint8Array>>

  /** After first contact, for long transfers: be patient with a server that restarts. */
  useBatchRetries(): void

  readonly stats: TransportStats

  /** Ends the connections; requests that are under way fail. */
  close(): Promise<void>
}

export interface TransportStats {
  readonly pool: PoolStats
  readonly retry: RetryStats
  readonly circuit: CircuitState
  /** Bytes of bodies. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** How to reach a server. Times in milliseconds. */
export interface ServerOptions {
  /** `http://host:8000`, `https://host/prefix`. User and password become a Basic `Authorization` header. */
  readonly url: string
  /** Sent with every request; values are secret and never appear in errors or logs. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly tls?: TlsOptions | undefined
  readonly proxy?: ProxyOptions | undefined
  readonly pool?: Partial<PoolOptions> | undefined
  /**
   * Changes to the policies, interactive and batch alike. Pass only what was set on purpose: an explicit
   * `maxRetries` without `noProgressMs` also limits the batch profile.
   */
  readonly retry?: Partial<RetryPolicy> | undefined
  /** For the connection alone, with proxy and TLS. */
  readonly connectTimeoutMs?: number | undefined
  /** From sending a request to the end of its answer; for streams to its start, and between its pieces. */
  readonly requestTimeoutMs?: number | undefined
  /** Ends first contact; each request has its own signal. */
  readonly signal?: AbortSignal | undefined
  /** Called before each pause between attempts. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined
}

/** PEM texts, not file names. */
export interface TlsOptions {
  /** Trusted instead of the public authorities. */
  readonly ca?: string | undefined
  /** Certificate of the client (mutual TLS), with its intermediates. */
  readonly cert?: string | undefined
  /** Private key of {@link cert}. */
  readonly key?: string | undefined
  /** The name the server must prove, and SNI; default: the host of the URL. */
  readonly serverName?: string | undefined
}

/** The values of the usual environment variables. */
export interface ProxyOptions {
  /** For `https://` servers. */
  readonly httpsProxy?: string | undefined
  /** For `http://` servers. */
  readonly httpProxy?: string | undefined
  /** Hosts that are reached directly: `localhost,.internal,10.0.0.0/8,db:8000`, or `*`. */
  readonly noProxy?: string | undefined
}

export const defaultServerOptions = {
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
} as const
