import { createHash, randomUUID } from 'node:crypto'

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
  StoreError,
  StoreUnsupportedError,
} from './blob-store.js'
import type { GcsConnection } from './gcs-client.js'
import { listingIn, OBJECT_FIELDS, objectIn } from './gcs-documents.js'
import { type GcsContext, gcsFailure, gcsRefusal, isBucketMissing, NOT_GCS } from './gcs-errors.js'
import { type GcsAnswer, type GcsRequest, sendRequest } from './gcs-request.js'
import { assertBlobSize, assertKey, assertPrefix, blobNotFound, isKey } from './keys.js'
import { probeConditions } from './probe-conditions.js'

export interface GcsLocation {
  readonly bucket: string
  /** Without a slash at either end; may be empty. */
  readonly prefix: string
}

/** Statuses that a caller wants to judge itself. */
type Expected = readonly number[]

/**
 * Blobs as objects of a Google Cloud Storage bucket, below a prefix; a version is a generation. Every write is
 * one multipart upload, so that nothing is left of one that breaks off. Every call is one request and is not
 * repeated.
 */
export class GcsStore implements BlobStore {
  readonly displayUrl: string
  readonly #connection: GcsConnection
  readonly #bucket: string
  readonly #prefix: string

  constructor(connection: GcsConnection, { bucket, prefix }: GcsLocation) {
    this.#connection = connection
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.displayUrl = prefix === '' ? `gs://${bucket}` : `gs://${bucket}/${prefix}`
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#write(key, bytes, null, signal)
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    return this.#write(key, bytes, '0', signal)
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    assertKey(key)
    throwIfAborted(signal)
    // Generation 0 means "not there", and none at all no condition.
    if (!/^[1-9]\d*$/.test(version)) throw this.#changed(key)
    return this.#write(key, bytes, version, signal)
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredBlob> {
    if (range !== undefined) return this.#getRange(key, range.offset, range.length, signal)
    const answer = await this.#read(key, {}, signal)
    const version = answer.headers['x-goog-generation']
    if (typeof version !== 'string')
      throw new StoreError(`${this.displayUrl} answers without a generation`, { hint: NOT_GCS })
    return { bytes: answer.body, version }
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    const request = { method: 'GET', path: this.#object(key), query: { fields: OBJECT_FIELDS } } as const
    const answer = await this.#send(`look up ${key}`, request, signal, [404])
    this.#assertFound(answer, key)
    const { size, updated } = objectIn(answer)
    return { key, size: Number(size), modified: new Date(updated) }
  }

  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    assertPrefix(prefix)
    const query = {
      prefix: this.#prefix + prefix,
      fields: `items(${OBJECT_FIELDS}),nextPageToken`,
      ...(after === '' ? {} : { startOffset: this.#prefix + after }),
    }
    let last = after
    let pageToken: string | undefined
    do {
      const page = listingIn(await this.#list(prefix, { ...query, ...(pageToken && { pageToken }) }, signal))
      for (const { name, size, updated } of page.items) {
        const key = name.slice(this.#prefix.length)
        // A service that does not know startOffset begins at the beginning.
        if (!isKey(key) || key <= after) continue
        if (key <= last)
          throw new StoreUnsupportedError(
            `bucket ${this.#bucket} lists its keys in no order (${key} after ${last})`,
          )
        last = key
        yield { key, size: Number(size), modified: new Date(updated) }
      }
      pageToken = page.nextPageToken
    } while (pageToken !== undefined && pageToken !== '')
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const request = { method: 'DELETE', path: this.#object(key) } as const
    const answer = await this.#send(`delete ${key}`, request, signal, [404])
    if (isBucketMissing(answer)) throw gcsRefusal(answer, this.#context(`delete ${key}`, signal))
  }

  async capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    return probeConditions(this, signal)
  }

  /** Of the answer to a listing: the right to list is needed anyway. */
  async storeTime(signal?: AbortSignal): Promise<Date> {
    const query = { prefix: this.#prefix, maxResults: '1', fields: 'nextPageToken' }
    const request = { method: 'GET', path: this.#objects, query } as const
    const { headers } = await this.#send('ask for the time', request, signal)
    const time = Date.parse(String(headers.date))
    if (Number.isNaN(time)) throw new StoreUnsupportedError(`${this.displayUrl} does not tell its time`)
    return new Date(time)
  }

  async close(): Promise<void> {
    this.#connection.agents.destroy()
  }

  get #objects(): string {
    return `/storage/v1/b/${encodeURIComponent(this.#bucket)}/o`
  }

  #object(key: string): string {
    assertKey(key)
    return `${this.#objects}/${encodeURIComponent(this.#prefix + key)}`
  }

  /** `generation`: what must be there, `0` nothing; null: anything. */
  async #write(
    key: string,
    bytes: Uint8Array,
    generation: string | null,
    signal: AbortSignal | undefined,
  ): Promise<BlobVersion> {
    assertKey(key)
    assertBlobSize(key, bytes.length)
    const condition = generation === null ? {} : { ifGenerationMatch: generation }
    const request = uploadRequest(this.#bucket, this.#prefix + key, bytes, condition)
    const answer = await this.#send(`write ${key}`, request, signal, generation === null ? [] : [412])
    if (answer.status !== 412) return objectIn(answer).generation
    if (generation !== '0') throw this.#changed(key)
    throw new BlobExistsError(`${key} already exists in ${this.displayUrl}`)
  }

  async #getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<StoredBlob> {
    assertBlobSize(key, length)
    // HTTP has no empty range.
    if (length === 0) await this.stat(key, signal)
    const range = { range: `bytes=${offset}-${offset + length - 1}` }
    const answer = length === 0 ? null : await this.#read(key, range, signal, [416])
    // Nothing behind the end of the object.
    if (answer === null || answer.status === 416) return { bytes: new Uint8Array(0), version: '' }
    const { body, status } = answer
    return { bytes: status === 200 ? body.subarray(offset, offset + length) : body, version: '' }
  }

  async #read(
    key: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
    expected: Expected = [],
  ): Promise<GcsAnswer> {
    const request = {
      method: 'GET',
      path: this.#object(key),
      query: { alt: 'media' },
      headers,
      assertSize: (bytes: number) => assertBlobSize(key, bytes),
    } as const
    const answer = await this.#send(`read ${key}`, request, signal, [404, ...expected])
    this.#assertFound(answer, key)
    return answer
  }

  #assertFound(answer: GcsAnswer, key: string): void {
    if (isBucketMissing(answer)) throw gcsRefusal(answer, this.#context(`read ${key}`, undefined))
    if (answer.status === 404) throw blobNotFound(this.displayUrl, key)
  }

  #list(prefix: string, query: Readonly<Record<string, string>>, signal: AbortSignal | undefined) {
    const action = `list ${prefix === '' ? 'the keys' : prefix}`
    return this.#send(action, { method: 'GET', path: this.#objects, query }, signal)
  }

  #changed(key: string): BlobChangedError {
    return new BlobChangedError(`${key} in ${this.displayUrl} was changed by another run`)
  }

  async #send(
    action: string,
    request: GcsRequest,
    signal: AbortSignal | undefined,
    expected: Expected = [],
  ): Promise<GcsAnswer> {
    throwIfAborted(signal)
    const context = this.#context(action, signal)
    let answer: GcsAnswer
    try {
      answer = await sendRequest(this.#connection, request, signal)
    } catch (error) {
      throw gcsFailure(error, context)
    }
    const isFine = answer.status >= 200 && answer.status < 300
    if (isFine || expected.includes(answer.status)) return answer
    throw gcsRefusal(answer, context)
  }

  #context(action: string, signal: AbortSignal | undefined): GcsContext {
    return { action, displayUrl: this.displayUrl, bucket: this.#bucket, signal }
  }
}

/** A multipart upload (RFC 2387): the resource with its MD5, which the service checks, then the bytes. */
function uploadRequest(
  bucket: string,
  name: string,
  bytes: Uint8Array,
  condition: Readonly<Record<string, string>>,
): GcsRequest {
  const boundary = `chroma-ops-${randomUUID()}`
  const contentType = 'application/octet-stream'
  const md5Hash = createHash('md5').update(bytes).digest('base64')
  const resource = JSON.stringify({ name, contentType, md5Hash })
  const part = (type: string) => `--${boundary}\r\ncontent-type: ${type}\r\n\r\n`
  return {
    method: 'POST',
    path: `/upload/storage/v1/b/${encodeURIComponent(bucket)}/o`,
    query: { uploadType: 'multipart', name, fields: OBJECT_FIELDS, ...condition },
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    body: [
      Buffer.from(`${part('application/json; charset=UTF-8')}${resource}\r\n${part(contentType)}`),
      bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ],
  }
}
