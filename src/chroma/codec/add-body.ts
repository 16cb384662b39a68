import { Buffer } from 'node:buffer'

import { doubleText, stringifyJson } from '../../core/json.js'
import { metadataToJson } from '../../core/metadata-json.js'
import type { RecordBatch } from '../../core/records.js'

/**
 * The body of an `add` or `upsert`, as bytes. Vectors are base64 unless the server cannot read that. Throws
 * a RangeError when a row has no vector: such records cannot be written.
 */
export function encodeRecords(batch: RecordBatch, { base64 = true } = {}): Buffer {
  if (batch.missingEmbeddings.length > 0) throw new RangeError('records without a vector cannot be written')
  const { dimension, embeddings } = batch
  const out = new JsonBytes(batch.ids.length * (dimension * 6 + 256) + 1024)
  out.ascii('{')
  out.column('ids', batch.ids, (id) => JSON.stringify(id))
  out.ascii(',')
  out.open('embeddings')
  for (let row = 0; row < batch.ids.length; row++) {
    if (row > 0) out.ascii(',')
    const vector = embeddings.subarray(row * dimension, (row + 1) * dimension)
    if (base64) out.base64(vector)
    else out.ascii(`[${Array.from(vector, doubleText).join(',')}]`)
  }
  out.ascii(']')
  out.optionalColumn('documents', batch.documents, (document) => JSON.stringify(document))
  out.optionalColumn('uris', batch.uris, (uri) => JSON.stringify(uri))
  out.optionalColumn('metadatas', batch.metadatas, (metadata) => stringifyJson(metadataToJson(metadata)))
  out.ascii('}')
  return out.bytes()
}

/** JSON text that grows as bytes. */
class JsonBytes {
  #bytes: Buffer
  #length = 0

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  ascii(text: string): void {
    this.#reserve(text.length)
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
  }

  /** A base64 string of little-endian float32. */
  base64(vector: Float32Array): void {
    const text = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
    this.#reserve(text.length + 2)
    this.#bytes[this.#length++] = 0x22
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
    this.#bytes[this.#length++] = 0x22
  }

  column<T>(name: string, values: readonly T[], textOf: (value: T) => string): void {
    this.open(name)
    let first = true
    for (const value of values) {
      if (!first) this.ascii(',')
      first = false
      this.text(textOf(value))
    }
    this.ascii(']')
  }

  open(name: string): void {
    this.ascii(`"${name}":[`)
  }

  /** Left out when there is nothing in it, which means the same. */
  optionalColumn<T>(name: string, values: readonly (T | null)[], textOf: (value: T) => string): void {
    if (values.every((value) => value === null)) return
    this.ascii(',')
    this.column(name, values, (value) => (value === null ? 'null' : textOf(value)))
  }

  text(text: string): void {
    // UTF-8 needs at most three bytes for each UTF-16 unit.
    this.#reserve(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
