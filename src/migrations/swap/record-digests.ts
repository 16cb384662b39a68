import { DIGEST_BYTES, digestBatch } from '../../core/digest.js'
import {
  isSparseVector,
  type Metadata,
  type MetadataScalar,
  type MetadataValue,
} from '../../core/metadata.js'
import type { RecordBatch } from '../../core/records.js'

/** Characters of a digest: {@link PAYLOAD_LENGTH} of document, URI and metadata, the rest of the vector. */
export const DIGEST_LENGTH = 27

const PAYLOAD_LENGTH = 11
const PAYLOAD_BYTES = 8
const FLOATS = 3
/** Of a vector's length: what a cosine collection shifts is a hundred times less. */
const TOLERANCE = 2e-5

/**
 * A short text for each row that tells whether a record was changed. Of doubles in metadata twelve digits count,
 * because Chroma shifts them by some units in the last place; vectors are told by their length and two
 * projections, so that those of cosine collections can be compared with a tolerance.
 */
export function digestRows(batch: RecordBatch): readonly string[] {
  const bare = { dimension: 0, embeddings: NO_FLOATS, missingEmbeddings: [] }
  const { payload } = digestBatch({ ...batch, ...bare, metadatas: batch.metadatas.map(rounded) })
  const missing = new Set(batch.missingEmbeddings)
  return batch.ids.map((_, row) => {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset + row * DIGEST_BYTES, PAYLOAD_BYTES)
    return bytes.toString('base64url') + (missing.has(row) ? NO_VECTOR : projections(batch, row))
  })
}

export function samePayload(a: string, b: string): boolean {
  return a.slice(0, PAYLOAD_LENGTH) === b.slice(0, PAYLOAD_LENGTH)
}

export function sameRecord(a: string, b: string): boolean {
  return a === b || (samePayload(a, b) && sameVector(a, b))
}

const NO_FLOATS = new Float32Array(0)
const NO_VECTOR = '-'.repeat(DIGEST_LENGTH - PAYLOAD_LENGTH)

function sameVector(a: string, b: string): boolean {
  const [one, other] = [floatsOf(a), floatsOf(b)]
  if (one === null || other === null) return one === other
  const allowed = TOLERANCE * Math.max(one[0] ?? 0, other[0] ?? 0)
  return one.every((value, at) => value === other[at] || Math.abs(value - (other[at] ?? NaN)) <= allowed)
}

function floatsOf(digest: string): readonly number[] | null {
  const text = digest.slice(PAYLOAD_LENGTH)
  if (text === NO_VECTOR) return null
  const bytes = Buffer.from(text, 'base64url')
  return Array.from({ length: FLOATS }, (_, at) => bytes.readFloatLE(at * 4))
}

/** The length, and the products with two vectors of 1 and -1 that look random. */
function projections({ embeddings, dimension }: RecordBatch, row: number): string {
  let [squares, first, second] = [0, 0, 0]
  for (let at = 0, from = row * dimension; at < dimension; at++) {
    const value = embeddings[from + at] ?? 0
    const bits = signs(at)
    squares += value * value
    first += (bits & 1) === 0 ? value : -value
    second += (bits & 2) === 0 ? value : -value
  }
  const bytes = Buffer.allocUnsafe(FLOATS * 4)
  bytes.writeFloatLE(Math.fround(Math.sqrt(squares)), 0)
  bytes.writeFloatLE(Math.fround(first), 4)
  bytes.writeFloatLE(Math.fround(second), 8)
  return bytes.toString('base64url')
}

/** Murmur3's mixing of a position. */
function signs(at: number): number {
  let bits = Math.imul(at + 0x9e3779b9, 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

function rounded(metadata: Metadata | null): Metadata | null {
  if (metadata === null || metadata.size === 0) return null
  let copy: Map<string, MetadataValue> | null = null
  for (const [key, value] of metadata) {
    const round = roundedValue(value)
    if (round !== value) (copy ??= new Map(metadata)).set(key, round)
  }
  return copy ?? metadata
}

function roundedValue(value: MetadataValue): MetadataValue {
  if (typeof value === 'number') return roundedNumber(value)
  if (typeof value !== 'object') return value
  if (isSparseVector(value)) return { ...value, values: value.values.map(roundedNumber) }
  return value.some((item) => typeof item === 'number') ? value.map(roundedScalar) : value
}

function roundedScalar(value: MetadataScalar): MetadataScalar {
  return typeof value === 'number' ? roundedNumber(value) : value
}

function roundedNumber(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(12))
}
