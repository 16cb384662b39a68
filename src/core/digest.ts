import { hash } from 'node:crypto'

import { isSparseVector, type Metadata, type MetadataValue } from './metadata.js'
import type { RecordBatch } from './records.js'

/** Bytes of one record digest: SHA-256 cut to 128 bits. */
export const DIGEST_BYTES = 16

/**
 * Two digests for each row of a batch, 16 bytes each: `payload` over id, document, uri and metadata by
 * type and value, `vectors` over id and float32 bits. The encoding is in docs/format.md.
 */
export interface BatchDigests {
  readonly payload: Uint8Array
  readonly vectors: Uint8Array
}

export function digestBatch(batch: RecordBatch): BatchDigests {
  const rows = batch.ids.length
  const payload = Buffer.allocUnsafe(rows * DIGEST_BYTES)
  const vectors = Buffer.allocUnsafe(rows * DIGEST_BYTES)
  const missing = new Set(batch.missingEmbeddings)
  const encoder = new Encoder()
  for (let row = 0; row < rows; row++) {
    encodePayload(encoder, batch, row)
    encoder.digestTo(payload, row * DIGEST_BYTES)
    encodeVector(encoder, batch, row, missing.has(row))
    encoder.digestTo(vectors, row * DIGEST_BYTES)
  }
  return { payload, vectors }
}

function encodePayload(encoder: Encoder, batch: RecordBatch, row: number): void {
  encoder.reset()
  encoder.text(batch.ids[row] ?? '')
  encoder.optionalText(batch.documents[row] ?? null)
  encoder.optionalText(batch.uris[row] ?? null)
  encoder.metadata(batch.metadatas[row] ?? null)
}

function encodeVector(encoder: Encoder, batch: RecordBatch, row: number, missing: boolean): void {
  encoder.reset()
  encoder.text(batch.ids[row] ?? '')
  if (missing) {
    encoder.u8(0)
  } else {
    encoder.u8(1)
    encoder.floats(batch.embeddings.subarray(row * batch.dimension, (row + 1) * batch.dimension))
  }
}

/**
 * The digest of a set of records, whatever their order: the sum of their digests modulo 2^128, each read
 * as a big-endian number.
 */
export class DigestSum {
  #high = 0n
  #low = 0n
  #records = 0

  /** `digests`: a whole number of 16-byte digests. */
  add(digests: Uint8Array): void {
    const view = new DataView(digests.buffer, digests.byteOffset, digests.byteLength)
    for (let at = 0; at < digests.byteLength; at += DIGEST_BYTES) {
      this.#high += view.getBigUint64(at)
      this.#low += view.getBigUint64(at + 8)
      this.#records++
    }
  }

  get records(): number {
    return this.#records
  }

  /** 32 hexadecimal digits. */
  hex(): string {
    const sum = BigInt.asUintN(128, (this.#high << 64n) + this.#low)
    return sum.toString(16).padStart(32, '0')
  }
}

/** Type tags of metadata values in the digest; part of the format. */
const TAG = { string: 0x73, boolean: 0x62, integer: 0x69, double: 0x66, list: 0x6c, sparse: 0x76 } as const

/** Appends little-endian values to a buffer that grows. */
class Encoder {
  #bytes = Buffer.allocUnsafe(16 * 1024)
  #length = 0

  reset(): void {
    this.#length = 0
  }

  /** As a binary string on the way: a buffer for each digest costs as much as the hash itself. */
  digestTo(target: Buffer, offset: number): void {
    const digest = hash('sha256', this.#bytes.subarray(0, this.#length), 'binary')
    target.write(digest, offset, DIGEST_BYTES, 'binary')
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  u32(value: number): void {
    this.#reserve(4)
    this.#length = this.#bytes.writeUInt32LE(value, this.#length)
  }

  text(value: string): void {
    // UTF-8 needs at most three bytes for each UTF-16 unit.
    this.#reserve(4 + value.length * 3)
    const written = this.#bytes.write(value, this.#length + 4, 'utf8')
    this.#bytes.writeUInt32LE(written, this.#length)
    this.#length += 4 + written
  }

  optionalText(value: string | null): void {
    this.u8(value === null ? 0 : 1)
    if (value !== null) this.text(value)
  }

  floats(values: Float32Array): void {
    this.u32(values.length)
    this.#reserve(values.byteLength)
    this.#bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), this.#length)
    this.#length += values.byteLength
  }

  metadata(metadata: Metadata | null): void {
    this.u8(metadata === null ? 0 : 1)
    if (metadata === null) return
    const keys = [...metadata.keys()].sort(byUtf8)
    this.u32(keys.length)
    for (const key of keys) {
      const value = metadata.get(key)
      if (value === undefined) continue
      this.text(key)
      this.#value(value)
    }
  }

  #value(value: MetadataValue): void {
    if (typeof value === 'string') {
      this.u8(TAG.string)
      this.text(value)
    } else if (typeof value === 'boolean') {
      this.u8(TAG.boolean)
      this.u8(value ? 1 : 0)
    } else if (typeof value === 'bigint') {
      this.u8(TAG.integer)
      this.#reserve(8)
      this.#length = this.#bytes.writeBigInt64LE(value, this.#length)
    } else if (typeof value === 'number') {
      this.u8(TAG.double)
      this.#reserve(8)
      this.#length = this.#bytes.writeDoubleLE(value, this.#length)
    } else if (isSparseVector(value)) {
      this.u8(TAG.sparse)
      this.u32(value.indices.length)
      for (const index of value.indices) this.u32(index)
      this.floats(Float32Array.from(value.values))
      this.u8(value.tokens === null ? 0 : 1)
      for (const token of value.tokens ?? []) this.text(token)
    } else {
      this.u8(TAG.list)
      this.u32(value.length)
      for (const item of value) this.#value(item)
    }
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

/** The order of UTF-8 bytes; differs from the order of UTF-16 units beyond the basic plane. */
function byUtf8(a: string, b: string): number {
  if (a === b) return 0
  return isAscii(a) && isAscii(b) ? (a < b ? -1 : 1) : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false
  return true
}
