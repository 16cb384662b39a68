import {
  batchPolicy,
  interactivePolicy,
  RetryManager,
  type RetryEvent,
  type RetryPolicy,
} from '../core/retry.js'
import { retryHints } from '../core/retry-hints.js'
import {
  BlobChangedError,
  BlobExistsError,
  type BlobInfo,
  BlobNotFoundError,
  type BlobStore,
  type BlobVersion,
  type GetOptions,
  type StoreCapabilities,
  type StoredBlob,
} from './blob-store.js'
import { probeConditions } from './probe-conditions.js'

export interface StoreRetries {
  /** Until the first answer: a wrong address is told in seconds. */
  readonly firstContact?: Partial<RetryPolicy> | undefined
  /** From the first answer on. */
  readonly batch?: Partial<RetryPolicy> | undefined
  readonly onRetry?: ((event: RetryEvent) => void) | undefined
}

/**
 * Repeats the calls of another store that failed but may succeed. A write whose answer was lost is
 * recognised when it is repeated: "already exists" or "was changed" with exactly our bytes is success.
 * Rejects with RetryExhausted when the store stays away.
 */
export class RetryingStore implements BlobStore {
  readonly #inner: BlobStore
  readonly #retries: RetryManager
  readonly #batch: RetryPolicy
  #reached = false

  constructor(inner: BlobStore, { firstContact, batch, onRetry }: StoreRetries = {}) {
    this.#inner = inner
    this.#retries = new RetryManager({ policy: { ...interactivePolicy, ...firstContact }, onRetry })
    this.#batch = { ...batchPolicy, ...batch }
  }

  get displayUrl(): string {
    return this.#inner.displayUrl
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#repeat(`write ${key}`, signal, (within) => this.#inner.put(key, bytes, within))
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    return this.#conditional(`create ${key}`, key, bytes, signal, (within) =>
      this.#inner.putNew(key, bytes, within),
    )
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    return this.#conditional(`change ${key}`, key, bytes, signal, (within) =>
      this.#inner.putIfMatch(key, bytes, version, within),
    )
  }

  async get(key: string, { range, memory, signal }: GetOptions = {}): Promise<StoredBlob> {
    // The first attempt only: given up, it may still write there.
    let unused = memory
    return this.#repeat(`read ${key}`, signal, (within) => {
      const options = { range, memory: unused, signal: within }
      unused = undefined
      return this.#inner.get(key, options)
    })
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    return this.#repeat(`look up ${key}`, signal, (within) => this.#inner.stat(key, within))
  }

  /** After a failure it goes on behind the last key that it gave. */
  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    let last = after
    let blobs: AsyncIterator<BlobInfo> | null = null
    try {
      for (;;) {
        const next = await this.#repeat(`list ${prefix}`, signal, async () => {
          blobs ??= this.#inner.list(prefix, signal, last)[Symbol.asyncIterator]()
          const current = blobs
          blobs = null
          const result = await current.next()
          blobs = current
          return result
        })
        if (next.done === true) return
        last = next.value.key
        yield next.value
      }
    } finally {
      await endEarly(blobs)
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    return this.#repeat(`delete ${key}`, signal, (within) => this.#inner.delete(key, within))
  }

  async capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    return probeConditions(this, signal)
  }

  async storeTime(signal?: AbortSignal): Promise<Date> {
    return this.#repeat('ask for the time', signal, (within) => this.#inner.storeTime(within))
  }

  async close(): Promise<void> {
    await this.#inner.close()
  }

  async #conditional(
    action: string,
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    write: (signal: AbortSignal | undefined) => Promise<BlobVersion>,
  ): Promise<BlobVersion> {
    let mayBeOurs = false
    return this.#repeat(action, signal, async (within) => {
      try {
        return await write(within)
      } catch (error) {
        const refused = error instanceof BlobExistsError || error instanceof BlobChangedError
        const ours = refused && mayBeOurs ? await this.#storedAs(key, bytes, within) : null
        if (ours !== null) return ours
        if (retryHints(error).unprocessed !== true) mayBeOurs = true
        throw error
      }
    })
  }

  /** The version of `key` if it holds exactly these bytes. */
  async #storedAs(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<BlobVersion | null> {
    try {
      const stored = await this.#inner.get(key, { signal })
      return Buffer.compare(stored.bytes, bytes) === 0 ? stored.version : null
    } catch (error) {
      if (error instanceof BlobNotFoundError) return null
      throw error
    }
  }

  async #repeat<T>(
    action: string,
    signal: AbortSignal | undefined,
    operation: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    return this.#retries.run(
      async (_attempt, within) => {
        try {
          const result = await operation(within)
          this.#noteContact()
          return result
        } catch (error) {
          if (isAnswer(error)) this.#noteContact()
          throw error
        }
      },
      { describe: `${action} in ${this.displayUrl}`, idempotent: true, signal },
    )
  }

  #noteContact(): void {
    if (this.#reached) return
    this.#reached = true
    this.#retries.usePolicy(this.#batch)
  }
}

/** A refusal that only a working store can give. */
function isAnswer(error: unknown): boolean {
  return (
    error instanceof BlobNotFoundError ||
    error instanceof BlobExistsError ||
    error instanceof BlobChangedError
  )
}

async function endEarly(iterator: AsyncIterator<BlobInfo> | null): Promise<void> {
  await iterator?.return?.()
}
