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
  StoreError,
  StoreUnsupportedError,
} from './blob-store.js'
import { assertBlobSize, assertKey, assertPrefix, blobNotFound } from './keys.js'
import { probeConditions } from './probe-conditions.js'
import type { S3Connection } from './s3-client.js'
import { NOT_S3, readBody } from './s3-body.js'
import { s3Error } from './s3-errors.js'
import { readS3Failure } from './s3-failure.js'
import { listObjects } from './s3-list.js'
import { onResponse, signBodyAs } from './s3-middleware.js'

export interface S3Location {
  readonly bucket: string
  /** Without a slash at either end; may be empty. */
  readonly prefix: string
}

/** Blobs as objects of an S3 bucket, below a prefix. Every call is one request, or two, and is not repeated. */
export class S3Store implements BlobStore {
  readonly displayUrl: string
  readonly #connection: S3Connection
  readonly #bucket: string
  readonly #prefix: string
  #sendsChecksums = true

  constructor(connection: S3Connection, { bucket, prefix }: S3Location) {
    this.#connection = connection
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.displayUrl = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
  }

  async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#write(key, bytes, {}, signal)
  }

  async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<BlobVersion> {
    return this.#write(key, bytes, { IfNoneMatch: '*' }, signal)
  }

  async putIfMatch(key: string, bytes: Uint8Array, version: BlobVersion, signal?: AbortSignal) {
    // An empty condition is none: the SDK leaves it out, and a service may too.
    if (version === '') throw this.#changed(key)
    return this.#write(key, bytes, { IfMatch: version }, signal)
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<StoredBlob> {
    const object = this.#object(key)
    if (range !== undefined) return this.#getRange(key, range.offset, range.length, signal)
    return this.#call(`read ${key}`, signal, key, async ({ sdk, client }) => {
      const answer = await client.send(new sdk.GetObjectCommand(object), sendOptions(signal))
      return { bytes: await readBody(key, answer), version: this.#versionIn(answer.ETag) }
    })
  }

  async stat(key: string, signal?: AbortSignal): Promise<BlobInfo> {
    const object = this.#object(key)
    return this.#call(`look up ${key}`, signal, key, async ({ sdk, client }) => {
      const answer = await client.send(new sdk.HeadObjectCommand(object), sendOptions(signal))
      if (answer.ContentLength === undefined || answer.LastModified === undefined)
        throw new StoreError(`${this.displayUrl} tells neither size nor time of ${key}: not an S3 service?`)
      return { key, size: answer.ContentLength, modified: answer.LastModified }
    })
  }

  async *list(prefix: string, signal?: AbortSignal, after = ''): AsyncGenerator<BlobInfo> {
    assertPrefix(prefix)
    throwIfAborted(signal)
    try {
      yield* listObjects({
        connection: this.#connection,
        bucket: this.#bucket,
        root: this.#prefix,
        prefix,
        after,
        signal,
      })
    } catch (error) {
      throw this.#explain(error, `list ${prefix === '' ? 'the keys' : prefix}`, signal)
    }
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const object = this.#object(key)
    await this.#call(`delete ${key}`, signal, null, async ({ sdk, client }) => {
      await client.send(new sdk.DeleteObjectCommand(object), sendOptions(signal))
    })
  }

  async capabilities(signal?: AbortSignal): Promise<StoreCapabilities> {
    return probeConditions(this, signal)
  }

  async storeTime(signal?: AbortSignal): Promise<Date> {
    return this.#call('ask for the time', signal, null, async ({ sdk, client }) => {
      const command = new sdk.ListObjectsV2Command({ Bucket: this.#bucket, Prefix: this.#prefix, MaxKeys: 1 })
      let time = Number.NaN
      onResponse(command, ({ date }) => (time = Date.parse(String(date))))
      await client.send(command, sendOptions(signal))
      if (Number.isNaN(time)) throw new StoreUnsupportedError(`${this.displayUrl} does not tell its time`)
      return new Date(time)
    })
  }

  async close(): Promise<void> {
    this.#connection.client.destroy()
  }

  #object(key: string): { Bucket: string; Key: string } {
    assertKey(key)
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  async #write(
    key: string,
    bytes: Uint8Array,
    condition: { IfNoneMatch: '*' } | { IfMatch: string } | Record<string, never>,
    signal: AbortSignal | undefined,
  ): Promise<BlobVersion> {
    const object = this.#object(key)
    assertBlobSize(key, bytes.length)
    const digest = createHash('sha256').update(bytes).digest()
    const send = async (checksum: { ChecksumSHA256?: string }) => {
      const { sdk, client } = this.#connection
      const command = new sdk.PutObjectCommand({
        ...object,
        ...condition,
        ...checksum,
        Body: bytes,
        ContentLength: bytes.length,
      })
      signBodyAs(command, digest.toString('hex'))
      const { ETag } = await client.send(command, sendOptions(signal))
      return this.#versionIn(ETag)
    }
    return this.#call(`write ${key}`, signal, null, async () => {
      try {
        return await this.#withChecksum(digest, send)
      } catch (error) {
        const { status } = readS3Failure(error)
        if (status === 412 && 'IfNoneMatch' in condition)
          throw new BlobExistsError(`${key} already exists in ${this.displayUrl}`, { cause: error })
        if ('IfMatch' in condition && (status === 412 || isNoSuchKey(error))) throw this.#changed(key, error)
        throw error
      }
    })
  }

  /** The checksum that AWS stores with the object. A service that does not know it is not asked again. */
  async #withChecksum(
    digest: Buffer,
    send: (checksum: { ChecksumSHA256?: string }) => Promise<BlobVersion>,
  ): Promise<BlobVersion> {
    if (!this.#sendsChecksums) return send({})
    try {
      return await send({ ChecksumSHA256: digest.toString('base64') })
    } catch (error) {
      if (!this.#connection.isOwnEndpoint || readS3Failure(error).status !== 501) throw error
      const version = await send({})
      this.#sendsChecksums = false
      return version
    }
  }

  async #getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<StoredBlob> {
    assertBlobSize(key, length)
    const object = this.#object(key)
    return this.#call<StoredBlob>(`read ${key}`, signal, key, async ({ sdk, client }) => {
      const nothing = { bytes: new Uint8Array(0), version: '' }
      // HTTP has no empty range.
      if (length === 0) {
        await client.send(new sdk.HeadObjectCommand(object), sendOptions(signal))
        return nothing
      }
      const Range = `bytes=${offset}-${offset + length - 1}`
      try {
        const answer = await client.send(new sdk.GetObjectCommand({ ...object, Range }), sendOptions(signal))
        const bytes = await readBody(key, answer)
        const isWhole = answer.$metadata.httpStatusCode === 200
        return { bytes: isWhole ? bytes.slice(offset, offset + length) : bytes, version: '' }
      } catch (error) {
        // Nothing behind the end of the object.
        if (readS3Failure(error).status === 416) return nothing
        throw error
      }
    })
  }

  #changed(key: string, cause?: unknown): BlobChangedError {
    return new BlobChangedError(`${key} in ${this.displayUrl} was changed by another run`, { cause })
  }

  #versionIn(etag: string | undefined): BlobVersion {
    if (etag === undefined)
      throw new StoreError(`${this.displayUrl} answers without an ETag`, { hint: NOT_S3 })
    return etag
  }

  /** `absent`: the key that a 404 is about; null where there is none. */
  async #call<T>(
    action: string,
    signal: AbortSignal | undefined,
    absent: string | null,
    work: (connection: S3Connection) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal)
    try {
      return await work(this.#connection)
    } catch (error) {
      if (absent !== null && isNoSuchKey(error)) throw blobNotFound(this.displayUrl, absent, error)
      throw this.#explain(error, action, signal)
    }
  }

  #explain(error: unknown, action: string, signal: AbortSignal | undefined): Error {
    const { displayUrl } = this
    return s3Error(error, {
      action,
      displayUrl,
      bucket: this.#bucket,
      region: this.#connection.region,
      signal,
    })
  }
}

function sendOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

/** An answer to HEAD has no body, so that a missing bucket looks the same. */
function isNoSuchKey(error: unknown): boolean {
  const { status, code } = readS3Failure(error)
  return status === 404 && code !== 'NoSuchBucket'
}
