import type {
  BlobInfo,
  BlobStore,
  BlobVersion,
  GetOptions,
  StoreCapabilities,
  StoredBlob,
} from './blob-store.js'
import type { ByteRate } from './byte-rate.js'

/** Bytes of blobs that were moved, repetitions included; never going back. */
export interface StoreTraffic {
  readonly uploadedBytes: number
  readonly downloadedBytes: number
}

export interface MeterOptions {
  readonly upload?: ByteRate | undefined
  readonly download?: ByteRate | undefined
  /** Told after each transfer. */
  readonly onTraffic?: ((traffic: StoreTraffic) => void) | undefined
}

/** Counts the bytes of another store's blobs and keeps them to a rate in each direction. */
export class MeteredStore implements BlobStore {
  readonly #inner: BlobStore
  readonly #options: MeterOptions
  #uploadedBytes = 0
  #downloadedBytes = 0

  constructor(inner: BlobStore, options: MeterOptions = {}) {
    this.#inner = inner
    this.#options = options
  }

  get displayUrl(): string {
    return this.#inner.displayUrl
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#upload(bytes, signal, () => this.#inner.put(key, bytes, signal))
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    return this.#upload(bytes, signal, () => this.#inner.putNew(key, bytes, signal))
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    return this.#upload(bytes, signal, () => this.#inner.putIfMatch(key, bytes, version, signal))
  }

  /** How much comes is known afterwards: it is charged then, and the next one waits. */
  async get(key: string, options: GetOptions = {}): Promise<StoredBlob> {
    const { download, onTraffic } = this.#options
    await download?.spend(0, options.signal)
    const blob = await this.#inner.get(key, options)
    download?.charge(blob.bytes.length)
    this.#downloadedBytes += blob.bytes.length
    onTraffic?.(this.#traffic())
    return blob
  }

  stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    return this.#inner.stat(key, signal)
  }

  list(prefix: string, signal?: AbortSignal, after?: string): AsyncIterable<BlobInfo> {
    return this.#inner.list(prefix, signal, after)
  }

  delete(key: string, signal?: AbortSignal): Promise<void> {
    return this.#inner.delete(key, signal)
  }

  capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    return this.#inner.capabilities(signal)
  }

  storeTime(signal?: AbortSignal): Promise<Date> {
    return this.#inner.storeTime(signal)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #upload<T>(bytes: Uint8Array, signal: AbortSignal | undefined, send: () => Promise<T>): Promise<T> {
    await this.#options.upload?.spend(bytes.length, signal)
    try {
      return await send()
    } finally {
      this.#uploadedBytes += bytes.length
      this.#options.onTraffic?.(this.#traffic())
    }
  }

  #traffic(): StoreTraffic {
    return { uploadedBytes: this.#uploadedBytes, downloadedBytes: this.#downloadedBytes }
  }
}
