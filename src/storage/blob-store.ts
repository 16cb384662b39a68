import { type ErrorDetails, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** The largest blob that a store must take; objects of a repository are at most 8 MiB before encryption. */
export const MAX_BLOB_BYTES = 16 * 1024 * 1024

/** What the store says of a blob; compare it with {@link BlobStore.putIfMatch}, never interpret it. */
export type BlobVersion = string

export interface BlobInfo {
  readonly key: string
  /** Bytes. */
  readonly size: number
  /** By the store's clock. */
  readonly modified: Date
}

export interface StoredBlob {
  readonly bytes: Uint8Array
  /** Of the whole blob; empty after a ranged read. */
  readonly version: BlobVersion
}

export interface StoreCapabilities {
  /**
   * `atomic`: of several concurrent `putNew` exactly one succeeds. `weak`: an existing blob is refused, a
   * race may let two through. `none`: the store ignores the condition.
   */
  readonly putNew: 'atomic' | 'weak' | 'none'
  readonly putIfMatch: boolean
}

/**
 * Small immutable and mutable blobs under keys such as `backups/20261120T020000Z-docs-7f3k.json`. Keys are made of the
 * characters `a-z A-Z 0-9 . _ - /`, have no empty, `.` or `..` segment (see keys.ts), and no key is a folder of
 * another (a local disk cannot hold both `a` and `a/b`). A blob is written whole or not at all, and is durable
 * when the promise resolves. It has at most {@link MAX_BLOB_BYTES}; a larger one is refused, also when read.
 *
 * A key that `putIfMatch` changes is changed by nothing else but `putNew` and `delete`: a plain `put` would not
 * be noticed by a local disk. Bytes that decide a race name their writer: after a lost answer, equal bytes are
 * taken for one's own.
 *
 * Every method rejects with a {@link StoreError} or a subclass, or with an AbortedError; a store that repeats
 * failed calls also with RetryExhausted.
 */
export interface BlobStore {
  /** For messages and manifests; never contains credentials. */
  readonly displayUrl: string

  /** Stores `bytes` under `key`, replacing any earlier value. On failure the earlier value is unchanged. */
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>

  /** Like {@link put}, but gives the version, and rejects with {@link BlobExistsError} when `key` has a value. */
  putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion>

  /** Like {@link putNew}, but rejects with {@link BlobChangedError} unless `key` has exactly this version. */
  putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal): Promise<BlobVersion>

  /**
   * Bytes that nobody else uses. Rejects with {@link BlobNotFoundError}. With a range: `length` bytes from `offset`, fewer at the end, none
   * behind it.
   */
  get(key: string, options?: GetOptions): Promise<StoredBlob>

  /** Rejects with {@link BlobNotFoundError}. */
  stat(key: string, signal?: AbortSignal): Promise<BlobInfo>

  /**
   * Every key that starts with `prefix` and is greater than `after`, ascending by UTF-8. An absent prefix is
   * empty, not an error. What is no key (another program's file) is left out.
   */
  list(prefix: string, signal?: AbortSignal, after?: string): AsyncIterable<BlobInfo>

  /** Idempotent: deleting an absent key succeeds. */
  delete(key: string, signal?: AbortSignal): Promise<void>

  /** What was found out by trying, not what the vendor promises. May write and delete keys under `probe/`. */
  capabilities(signal?: AbortSignal): Promise<StoreCapabilities>

  /** The store's own clock: this machine's for a local disk. */
  storeTime(signal?: AbortSignal): Promise<Date>

  close(): Promise<void>
}

export interface GetOptions {
  readonly range?: { readonly offset: number; readonly length: number } | undefined
  /** Memory that a whole blob may be read into, if it is large enough: new memory costs time. */
  readonly memory?: Buffer | undefined
  readonly signal?: AbortSignal | undefined
}

/** A store failed; subclasses say how. `retryable` is true when the same call may succeed later. */
export class StoreError extends OpsError {
  override readonly code: string = 'STORE_FAILED'
  override readonly exitCode: ExitCode = ExitCode.failed
  readonly retryable: boolean = false
  /** What the store asked for: `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, { retryAfterMs, ...details }: StoreErrorDetails = {}) {
    super(message, details)
    this.retryAfterMs = retryAfterMs
  }
}

export interface StoreErrorDetails extends ErrorDetails {
  readonly retryAfterMs?: number | undefined
}

/** Not a key that every store can hold; see keys.ts. */
export class InvalidKeyError extends StoreError {
  override readonly code = 'STORE_KEY'
}

export class BlobNotFoundError extends StoreError {
  override readonly code = 'BLOB_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound
}

export class BlobExistsError extends StoreError {
  override readonly code = 'BLOB_EXISTS'
  override readonly exitCode = ExitCode.refused
}

export class BlobChangedError extends StoreError {
  override readonly code = 'BLOB_CHANGED'
  override readonly exitCode = ExitCode.locked
}

/** The bucket, the container or the folder is not there. */
export class StoreNotFoundError extends StoreError {
  override readonly code = 'STORE_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound
}

/** No credentials, wrong credentials, or no permission. */
export class StoreAccessError extends StoreError {
  override readonly code = 'STORE_ACCESS'
  override readonly exitCode = ExitCode.notAllowed
}

export class StoreFullError extends StoreError {
  override readonly code = 'STORE_FULL'
}

export interface UnreachableDetails extends StoreErrorDetails {
  readonly unprocessed?: boolean | undefined
}

/** The network, the service or a time limit; a retry may succeed. */
export class StoreUnreachableError extends StoreError {
  override readonly code = 'STORE_UNREACHABLE'
  override readonly exitCode = ExitCode.unreachable
  override readonly retryable = true
  /** The store has surely not acted on the call: it was never sent, or was turned away. */
  readonly unprocessed: boolean

  constructor(message: string, { unprocessed = false, ...details }: UnreachableDetails = {}) {
    super(message, details)
    this.unprocessed = unprocessed
  }
}

export class StoreUnsupportedError extends StoreError {
  override readonly code = 'STORE_UNSUPPORTED'
  override readonly exitCode = ExitCode.notSupported
}
