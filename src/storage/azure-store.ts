import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

import type * as Azure from '@azure/storage-blob'

import { throwIfAborted } from '../core/errors.js'
import type { AzureConnection, AzureLocation } from './azure-client.js'
import { azureError, NOT_AZURE } from './azure-errors.js'
import { plainCause, readAzureFailure } from './azure-failure.js'
import { listBlobs } from './azure-list.js'
import {
  BlobChangedError,
  BlobExistsError,
  type BlobInfo,
  type BlobStore,
  type BlobVersion,
  type GetOptions,
  type StoreCapabilities,
  type StoredBlob,
  StoreError,
  StoreUnreachableError,
  StoreUnsupportedError,
} from './blob-store.js'
import { assertBlobSize, assertKey, assertPrefix, blobNotFound } from './keys.js'
import { probeConditions } from './probe-conditions.js'

type Conditions = Pick<Azure.BlobRequestConditions, 'ifMatch' | 'ifNoneMatch'>

/**
 * Blobs as block blobs of an Azure container, below a prefix. Every write is one Put Blob, so that nothing is
 * left of one that breaks off. Every call is one request and is not repeated.
 */
export class AzureStore implements BlobStore {
  readonly displayUrl: string
  readonly #connection: AzureConnection
  readonly #prefix: string

  constructor(connection: AzureConnection, { host, container, prefix }: AzureLocation) {
    this.#connection = connection
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.displayUrl = `azblob://${[host, container, prefix].filter(Boolean).join('/')}`
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#write(key, bytes, {}, signal)
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    return this.#write(key, bytes, { ifNoneMatch: '*' }, signal)
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    assertKey(key)
    throwIfAborted(signal)
    // What is no ETag is a bad request, and an empty condition is none.
    if (!/^"[^"]+"$/.test(version)) throw this.#changed(key)
    return this.#write(key, bytes, { ifMatch: version }, signal)
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredBlob> {
    if (range !== undefined) return this.#getRange(key, range.offset, range.length, signal)
    const blob = this.#blob(key)
    return this.#call(`read ${key}`, signal, key, async () => {
      const answer = await blob.download(0, undefined, abortable(signal))
      return { bytes: await readBody(key, answer), version: this.#versionIn(answer.etag) }
    })
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    const blob = this.#blob(key)
    return this.#call(`look up ${key}`, signal, key, async () => {
      const { contentLength, lastModified } = await blob.getProperties(abortable(signal))
      if (contentLength === undefined || lastModified === undefined)
        throw new StoreError(`${this.displayUrl} tells neither size nor time of ${key}`, { hint: NOT_AZURE })
      return { key, size: contentLength, modified: lastModified }
    })
  }

  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    assertPrefix(prefix)
    throwIfAborted(signal)
    const { container } = this.#connection
    try {
      yield* listBlobs({ container, root: this.#prefix, prefix, after, signal })
    } catch (error) {
      throw this.#explain(error, `list ${prefix === '' ? 'the keys' : prefix}`, signal)
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const blob = this.#blob(key)
    await this.#call(`delete ${key}`, signal, null, async () => {
      try {
        await blob.delete(abortable(signal))
      } catch (error) {
        if (!isAbsent(error)) throw error
      }
    })
  }

  async capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    return probeConditions(this, signal)
  }

  /** Of the answer to a listing: the right to list is needed anyway. */
  async storeTime(signal?: AbortSignal): Promise<Date> {
    return this.#call('ask for the time', signal, null, async () => {
      const { container } = this.#connection
      const pages = container
        .listBlobsFlat({ prefix: this.#prefix, ...abortable(signal) })
        .byPage({ maxPageSize: 1 })
      for await (const { date } of pages) if (date !== undefined) return date
      throw new StoreUnsupportedError(`${this.displayUrl} does not tell its time`)
    })
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  #blob(key: string): Azure.BlockBlobClient {
    assertKey(key)
    return this.#connection.container.getBlockBlobClient(this.#prefix + key)
  }

  async #write(
    key: string,
    bytes: Uint8Array,
    conditions: Conditions,
    signal: AbortSignal | undefined,
  ): Promise<BlobVersion> {
    const blob = this.#blob(key)
    assertBlobSize(key, bytes.length)
    return this.#call(`write ${key}`, signal, null, async () => {
      try {
        const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        const transactionalContentMD5 = createHash('md5').update(body).digest()
        const options = { conditions, transactionalContentMD5, ...abortable(signal) }
        return this.#versionIn((await blob.upload(body, body.length, options)).etag)
      } catch (error) {
        if (conditions.ifNoneMatch !== undefined && isRefusedAsExisting(error))
          throw new BlobExistsError(`${key} already exists in ${this.displayUrl}`, {
            cause: plainCause(error),
          })
        if (conditions.ifMatch !== undefined && (isConditionNotMet(error) || isAbsent(error)))
          throw this.#changed(key, plainCause(error))
        throw error
      }
    })
  }

  async #getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<StoredBlob> {
    assertBlobSize(key, length)
    const blob = this.#blob(key)
    return this.#call<StoredBlob>(`read ${key}`, signal, key, async () => {
      const nothing = { bytes: new Uint8Array(0), version: '' }
      // HTTP has no empty range.
      if (length === 0) {
        await blob.getProperties(abortable(signal))
        return nothing
      }
      try {
        const answer = await blob.download(offset, length, abortable(signal))
        const bytes = await readBody(key, answer)
        const isWhole = answer.contentRange === undefined
        return { bytes: isWhole ? bytes.slice(offset, offset + length) : bytes, version: '' }
      } catch (error) {
        // Nothing behind the end of the blob.
        if (readAzureFailure(error).status === 416) return nothing
        throw error
      }
    })
  }

  #changed(key: string, cause?: unknown): BlobChangedError {
    return new BlobChangedError(`${key} in ${this.displayUrl} was changed by another run`, { cause })
  }

  #versionIn(etag: string | undefined): BlobVersion {
    if (etag === undefined)
      throw new StoreError(`${this.displayUrl} answers without an ETag`, { hint: NOT_AZURE })
    return etag
  }

  /** `absent`: the key that a 404 is about; null where there is none. */
  async #call<T>(
    action: string,
    signal: AbortSignal | undefined,
    absent: string | null,
    work: () => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal)
    try {
      return await work()
    } catch (error) {
      if (absent !== null && isAbsent(error)) throw blobNotFound(this.displayUrl, absent, plainCause(error))
      throw this.#explain(error, action, signal)
    }
  }

  #explain(error: unknown, action: string, signal: AbortSignal | undefined): Error {
    const { displayUrl } = this
    return azureError(error, {
      action,
      displayUrl,
      container: this.#connection.container.containerName,
      signal,
    })
  }
}

function abortable(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

async function readBody(key: string, answer: Azure.BlobDownloadResponseParsed): Promise<Uint8Array> {
  const { readableStreamBody: body, contentLength: length } = answer
  if (!(body instanceof Readable) || length === undefined)
    throw new StoreError(`no content came with ${key}`, { hint: NOT_AZURE })
  try {
    assertBlobSize(key, length)
  } catch (error) {
    body.destroy()
    throw error
  }
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  for await (const chunk of body) if (Buffer.isBuffer(chunk)) filled += chunk.copy(bytes, filled)
  if (filled !== length)
    throw new StoreUnreachableError(`only ${filled} of ${length} bytes of ${key} arrived`)
  return bytes
}

function isAbsent(error: unknown): boolean {
  const { status, code } = readAzureFailure(error)
  return status === 404 && code !== 'ContainerNotFound'
}

/** A SAS token that may create but not overwrite is told 403. */
function isRefusedAsExisting(error: unknown): boolean {
  const { code } = readAzureFailure(error)
  return code === 'BlobAlreadyExists' || code === 'UnauthorizedBlobOverwrite' || isConditionNotMet(error)
}

function isConditionNotMet(error: unknown): boolean {
  const { status, code } = readAzureFailure(error)
  return status === 412 && (code === 'ConditionNotMet' || code === '')
}
