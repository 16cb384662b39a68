import { createHash } from 'node:crypto'

import { throwIfAborted } from '../core/errors.js'
import {
  BlobChangedError,
  BlobExistsError,
  type BlobInfo,
  type BlobStore,
  type BlobVersion,
  type GetOptions,
  type StoreCapabilities,
  type StoredBlob,
} from './blob-store.js'
import { assertBlobSize, assertKey, assertPrefix, blobNotFound } from './keys.js'
import { probeConditions } from './probe-conditions.js'

interface Entry {
  readonly bytes: Uint8Array
  readonly modified: Date
  readonly version: BlobVersion
}

/** Blobs in this process, for tests and trials; gone with it. */
export class MemoryStore implements BlobStore {
  readonly displayUrl: string
  readonly #entries = new Map<string, Entry>()

  constructor(name = 'unnamed') {
    this.displayUrl = `memory://${name}`
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#check(key, signal)
    this.#set(key, bytes)
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    this.#check(key, signal)
    if (this.#entries.has(key)) throw new BlobExistsError(`${key} already exists in ${this.displayUrl}`)
    return this.#set(key, bytes)
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    this.#check(key, signal)
    if (this.#entries.get(key)?.version !== version)
      throw new BlobChangedError(`${key} in ${this.displayUrl} was changed by another run`)
    return this.#set(key, bytes)
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredBlob> {
    const { bytes, version } = this.#entry(key, signal)
    if (range === undefined) return { bytes: Uint8Array.from(bytes), version }
    return { bytes: bytes.slice(range.offset, range.offset + range.length), version: '' }
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    const { bytes, modified } = this.#entry(key, signal)
    return { key, size: bytes.length, modified }
  }

  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    assertPrefix(prefix)
    throwIfAborted(signal)
    for (const key of [...this.#entries.keys()].sort()) {
      if (!key.startsWith(prefix) || key <= after) continue
      throwIfAborted(signal)
      const entry = this.#entries.get(key)
      if (entry !== undefined) yield { key, size: entry.bytes.length, modified: entry.modified }
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    this.#check(key, signal)
    this.#entries.delete(key)
  }

  capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    return probeConditions(this, signal)
  }

  async storeTime(signal?: AbortSignal): Promise<Date> {
    throwIfAborted(signal)
    return new Date()
  }

  async close(): Promise<void> {}

  #check(key: string, signal: AbortSignal | undefined): void {
    assertKey(key)
    throwIfAborted(signal)
  }

  #entry(key: string, signal: AbortSignal | undefined): Entry {
    this.#check(key, signal)
    const entry = this.#entries.get(key)
    if (entry === undefined) throw blobNotFound(this.displayUrl, key)
    return entry
  }

  #set(key: string, bytes: Uint8Array): BlobVersion {
    assertBlobSize(key, bytes.length)
    const version = createHash('sha256').update(bytes).digest('hex')
    this.#entries.set(key, { bytes: Uint8Array.from(bytes), modified: new Date(), version })
    return version
  }
}
