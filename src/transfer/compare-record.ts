import { isSparseVector, type Metadata, type MetadataScalar, type MetadataValue } from '../core/metadata.js'
import type { RecordBatch, Space } from '../core/records.js'
import type { Difference } from './comparison.js'
import { closeDoubles, firstDistantFloat } from './ulp.js'
import { floatText, textOf, valueText } from './value-text.js'

/** One record: a row of a batch. */
export interface Row {
  readonly batch: RecordBatch
  readonly row: number
}

/** Counts what Chroma itself shifts; see {@link import('./comparison.js').Tolerated}. */
export interface ToleratedCount {
  metadataFloats: number
  vectors: number
}

const NONE: readonly Difference[] = []

/**
 * How two records with the same id differ; empty when they do not. What is tolerated is added to
 * `tolerated`.
 */
export function compareRecord(
  expected: Row,
  actual: Row,
  space: Space,
  tolerated: ToleratedCount,
): readonly Difference[] {
  const found: Omit<Difference, 'id'>[] = []
  const document = [expected.batch.documents[expected.row], actual.batch.documents[actual.row]] as const
  if (document[0] !== document[1]) found.push(texts('document', ...document))
  const uri = [expected.batch.uris[expected.row], actual.batch.uris[actual.row]] as const
  if (uri[0] !== uri[1]) found.push(texts('uri', ...uri))
  compareMetadata(
    expected.batch.metadatas[expected.row] ?? EMPTY,
    actual.batch.metadatas[actual.row] ?? EMPTY,
    tolerated,
    found,
  )
  compareVector(expected, actual, space, tolerated, found)
  if (found.length === 0) return NONE
  const id = expected.batch.ids[expected.row] ?? ''
  return found.map((difference) => ({ id, ...difference }))
}

const EMPTY: Metadata = new Map()

function texts(field: string, expected: string | null = null, actual: string | null = null) {
  return { field, expected: textOf(expected), actual: textOf(actual) }
}

function compareMetadata(
  expected: Metadata,
  actual: Metadata,
  tolerated: ToleratedCount,
  found: Omit<Difference, 'id'>[],
): void {
  for (const [key, value] of expected) {
    const other = actual.get(key)
    if (other === undefined || !sameValue(value, other, tolerated))
      found.push({ field: `metadata.${key}`, expected: valueText(value), actual: valueText(other) })
  }
  for (const [key, value] of actual)
    if (!expected.has(key))
      found.push({ field: `metadata.${key}`, expected: valueText(undefined), actual: valueText(value) })
}

/** Whether two metadata values are the same, doubles within the tolerance, which is counted. */
export function sameValue(
  expected: MetadataValue,
  actual: MetadataValue,
  tolerated: ToleratedCount,
): boolean {
  if (typeof expected !== 'object' || typeof actual !== 'object')
    return (
      typeof expected !== 'object' && typeof actual !== 'object' && sameScalar(expected, actual, tolerated)
    )
  if (isSparseVector(expected) || isSparseVector(actual)) {
    return (
      isSparseVector(expected) &&
      isSparseVector(actual) &&
      sameItems(expected.indices, actual.indices, (a, b) => a === b) &&
      sameItems(expected.values, actual.values, (a, b) => sameScalar(a, b, tolerated)) &&
      sameItems(expected.tokens ?? [], actual.tokens ?? [], (a, b) => a === b)
    )
  }
  return sameItems(expected, actual, (a, b) => sameScalar(a, b, tolerated))
}

function sameScalar(expected: MetadataScalar, actual: MetadataScalar, tolerated: ToleratedCount): boolean {
  if (Object.is(expected, actual)) return true
  if (typeof expected !== 'number' || typeof actual !== 'number') return false
  if (!closeDoubles(expected, actual)) return false
  tolerated.metadataFloats++
  return true
}

function sameItems<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  if (a.length !== b.length) return false
  return a.every((item, at) => {
    const other = b[at]
    return other !== undefined && same(item, other)
  })
}

function compareVector(
  expected: Row,
  actual: Row,
  space: Space,
  tolerated: ToleratedCount,
  found: Omit<Difference, 'id'>[],
): void {
  const a = vectorOf(expected)
  const b = vectorOf(actual)
  if (a === null || b === null) {
    if (a !== b) found.push({ field: 'vector', expected: vectorText(a), actual: vectorText(b) })
  } else if (a.length !== b.length) {
    found.push({ field: 'vector', expected: `${a.length} floats`, actual: `${b.length} floats` })
  } else if (!sameBits(a, b)) {
    const at = space === 'cosine' ? firstDistantFloat(a, b) : firstOtherFloat(a, b)
    if (at === -1) tolerated.vectors++
    else
      found.push({
        field: 'vector',
        expected: floatText(a[at] ?? 0, at),
        actual: floatText(b[at] ?? 0, at),
      })
  }
}

/** Null when the vector is missing. */
function vectorOf({ batch, row }: Row): Float32Array | null {
  if (batch.missingEmbeddings.length > 0 && batch.missingEmbeddings.includes(row)) return null
  return batch.embeddings.subarray(row * batch.dimension, (row + 1) * batch.dimension)
}

function vectorText(vector: Float32Array | null): string {
  return vector === null ? 'missing' : `${vector.length} floats`
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0
}

/** The bits differ somewhere: the first position. */
function firstOtherFloat(a: Float32Array, b: Float32Array): number {
  for (let at = 0; at < a.length; at++) if (!Object.is(a[at], b[at])) return at
  return -1
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)
}
