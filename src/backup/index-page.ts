import { DIGEST_BYTES, type BatchDigests } from '../core/digest.js'

/** One row of an index page. The digests share memory with the page. */
export interface IndexRow {
  readonly id: string
  readonly payload: Buffer
  readonly vector: Buffer
}

/**
 * Rows `from` to `to` (exclusive) of an index page: for each the length of its id in bytes (u32, little
 * endian), the id in UTF-8, the digest of the payload, the digest of the vector.
 */
export function encodeIndexRows(
  ids: readonly string[],
  digests: BatchDigests,
  from: number,
  to: number,
): Buffer {
  let room = 0
  for (let row = from; row < to; row++) room += 4 + 3 * (ids[row] ?? '').length + 2 * DIGEST_BYTES
  const bytes = Buffer.allocUnsafe(room)
  let at = 0
  for (let row = from; row < to; row++) {
    const written = bytes.write(ids[row] ?? '', at + 4, 'utf8')
    bytes.writeUInt32LE(written, at)
    at += 4 + written
    const digest = row * DIGEST_BYTES
    bytes.set(digests.payload.subarray(digest, digest + DIGEST_BYTES), at)
    bytes.set(digests.vectors.subarray(digest, digest + DIGEST_BYTES), at + DIGEST_BYTES)
    at += 2 * DIGEST_BYTES
  }
  return bytes.subarray(0, at)
}

/** The rows of a page; undefined as the last one when the page ends within a row. */
export function* decodeIndexPage(page: Buffer): Generator<IndexRow | undefined> {
  let at = 0
  while (at < page.length) {
    const idEnd = at + 4 <= page.length ? at + 4 + page.readUInt32LE(at) : Infinity
    const end = idEnd + 2 * DIGEST_BYTES
    if (end > page.length) {
      yield undefined
      return
    }
    yield {
      id: page.toString('utf8', at + 4, idEnd),
      payload: page.subarray(idEnd, idEnd + DIGEST_BYTES),
      vector: page.subarray(idEnd + DIGEST_BYTES, end),
    }
    at = end
  }
}
