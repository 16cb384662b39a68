import { BlobNotFoundError, InvalidKeyError, MAX_BLOB_BYTES, StoreError } from './blob-store.js'

/** With the suffix of a temporary file a segment still fits into the 255 bytes of a file name. */
const MAX_SEGMENT = 200
/** With a long prefix before it a key still fits into the 1024 bytes of S3. */
const MAX_KEY = 700
const SEGMENT = /^[A-Za-z0-9._-]+$/

/** Rejects what some store could not hold or would read as another place; the last guard against `../`. */
export function assertKey(key: string): void {
  if (!isKey(key))
    throw new InvalidKeyError(`not a key for a store: ${JSON.stringify(key.slice(0, MAX_KEY))}`)
}

/** The beginning of a key, possibly empty; may end in the middle of a segment. */
export function assertPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix))
    throw new InvalidKeyError(`not a prefix for a store: ${JSON.stringify(prefix.slice(0, MAX_KEY))}`)
}

export function isKey(key: string): boolean {
  return key.length <= MAX_KEY && key.split('/').every(isSegment)
}

export function isSegment(name: string): boolean {
  return name.length <= MAX_SEGMENT && SEGMENT.test(name) && name !== '.' && name !== '..'
}

export function assertBlobSize(key: string, bytes: number): void {
  if (bytes > MAX_BLOB_BYTES)
    throw new StoreError(`${key} has ${bytes} bytes, more than the ${MAX_BLOB_BYTES} that a blob may have`)
}

export function blobNotFound(displayUrl: string, key: string, cause?: unknown): BlobNotFoundError {
  return new BlobNotFoundError(`no ${key} in ${displayUrl}`, { cause })
}
