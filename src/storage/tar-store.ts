import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'

import { throwIfAborted } from '../core/errors.js'
import { shellWord } from '../core/shell-word.js'
import {
  StoreUnsupportedError,
  type BlobInfo,
  type BlobStore,
  type BlobVersion,
  type GetOptions,
  type StoreCapabilities,
  type StoredBlob,
} from './blob-store.js'
import { assertBlobSize, assertKey, assertPrefix, blobNotFound } from './keys.js'
import { localError } from './local-errors.js'
import { readRange } from './local-files.js'
import { readTarIndex, type TarEntry } from './tar-index.js'

/**
 * The files in a tar archive, as `backup export` writes it, or as `tar` makes it of the folder of a repository. It
 * can only be read. The file must not change meanwhile: what is read is checked by whoever knows its checksum.
 */
export class TarStore implements BlobStore {
  readonly displayUrl: string
  readonly #handle: FileHandle
  readonly #entries: ReadonlyMap<string, TarEntry>
  /** Ascending. */
  readonly #keys: readonly string[]

  private constructor(file: string, handle: FileHandle, entries: ReadonlyMap<string, TarEntry>) {
    this.displayUrl = file
    this.#handle = handle
    this.#entries = entries
    this.#keys = [...entries.keys()].sort()
  }

  /** Reads where everything is. Rejects as {@link readTarIndex}, or with a StoreError. Close it after use. */
  static async open(file: string, signal?: AbortSignal): Promise<TarStore> {
    throwIfAborted(signal)
    try {
      const handle = await open(file, 'r')
      try {
        return new TarStore(file, handle, await readTarIndex(handle, file, signal))
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      throw localError(error, `read ${file}`)
    }
  }

  async put(): Promise<void> {
    throw this.#readOnly()
  }

  async putNew(): Promise<BlobVersion> {
    throw this.#readOnly()
  }

  async putIfMatch(): Promise<BlobVersion> {
    throw this.#readOnly()
  }

  async delete(): Promise<void> {
    throw this.#readOnly()
  }

  async get(key: string, { range, memory, signal }: GetOptions = {}): Promise<StoredBlob> {
    const { offset, size } = this.#entry(key, signal)
    const from = Math.min(range?.offset ?? 0, size)
    const length = Math.min(range?.length ?? size, size - from)
    assertBlobSize(key, length)
    try {
      const bytes = await readRange(this.#handle, offset + from, length, memory)
      if (range !== undefined) return { bytes, version: '' }
      return { bytes, version: createHash('sha256').update(`${this.displayUrl} ${offset}`).digest('hex') }
    } catch (error) {
      throw localError(error, `read ${key} in ${this.displayUrl}`)
    }
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    const { size, modified } = this.#entry(key, signal)
    return { key, size, modified }
  }

  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    assertPrefix(prefix)
    throwIfAborted(signal)
    for (const key of this.#keys) {
      if (!key.startsWith(prefix) || key <= after) continue
      throwIfAborted(signal)
      yield this.stat(key)
    }
  }

  async capabilities(): Promise<StoreCapabilities> {
    return { putNew: 'none', putIfMatch: false }
  }

  async storeTime(signal?: AbortSignal): Promise<Date> {
    throwIfAborted(signal)
    return new Date()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  #entry(key: string, signal: AbortSignal | undefined): TarEntry {
    assertKey(key)
    throwIfAborted(signal)
    const entry = this.#entries.get(key)
    if (entry === undefined) throw blobNotFound(this.displayUrl, key)
    return entry
  }

  #readOnly(): StoreUnsupportedError {
    return new StoreUnsupportedError(`${this.displayUrl} is an archive, which can only be read`, {
      hint: `put its backup into a repository: "chroma-ops backup import ${shellWord(this.displayUrl)} --repo OTHER"`,
    })
  }
}
