import type { Metadata } from '../../core/metadata.js'
import type { RecordBatch } from '../../core/records.js'
import type { MigrationRecord } from '../record.js'
import { BadValue, checkText, describe, quoted } from './bad-value.js'
import { sameMetadata, shownMetadata, storedMetadata } from './metadata-view.js'

/** One record on its way through a chain; all that Chroma keeps apart is kept apart. */
export interface Row {
  readonly id: string
  /** Null when the server has lost it, or it is still to be made. Not to be written to. */
  readonly embedding: Float32Array | null
  readonly document: string | null
  readonly uri: string | null
  readonly metadata: Metadata | null
}

/** The vectors are shared with the batch. */
export function rowsOf(batch: RecordBatch): Row[] {
  const { dimension } = batch
  const missing = new Set(batch.missingEmbeddings)
  return batch.ids.map((id, row) => ({
    id,
    embedding: missing.has(row) ? null : batch.embeddings.subarray(row * dimension, (row + 1) * dimension),
    document: batch.documents[row] ?? null,
    uri: batch.uris[row] ?? null,
    metadata: batch.metadatas[row] ?? null,
  }))
}

/** `dimension`: for rows that all lack their vectors. The vectors of the others must be equally long. */
export function batchOf(rows: readonly Row[], dimension: number): RecordBatch {
  const width = rows.find(({ embedding }) => embedding !== null)?.embedding?.length ?? dimension
  const embeddings = new Float32Array(rows.length * width)
  const missingEmbeddings: number[] = []
  rows.forEach(({ embedding }, at) => {
    if (embedding === null) missingEmbeddings.push(at)
    else embeddings.set(embedding, at * width)
  })
  return {
    ids: rows.map(({ id }) => id),
    dimension: width,
    embeddings,
    missingEmbeddings,
    documents: rows.map(({ document }) => document),
    uris: rows.map(({ uri }) => uri),
    metadatas: rows.map(({ metadata }) => metadata),
  }
}

/** A copy: what a function does to it changes nothing here. */
export function shownRecord({ id, embedding, document, uri, metadata }: Row): MigrationRecord {
  return { id, embedding: embedding?.slice() ?? null, document, uri, metadata: shownMetadata(metadata) }
}

/** The records of a batch as functions of a migration see them. */
export function shownRecords(batch: RecordBatch): MigrationRecord[] {
  return rowsOf(batch).map(shownRecord)
}

/** The row as a function gave it back. Throws {@link BadValue} for what cannot be stored. */
export function changedRow(row: Row, given: unknown): Row {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new BadValue(`it gave back ${describe(given)} instead of a record, or null to drop it`)
  const fields: { readonly [Field in keyof Row]?: unknown } = given
  if (fields.id !== row.id)
    throw new BadValue(
      `it gave back the id ${typeof fields.id === 'string' ? quoted(fields.id) : describe(fields.id)}: ids stay as they are`,
    )
  return {
    id: row.id,
    embedding: fields.embedding === undefined ? row.embedding : changedVector(row, fields.embedding),
    document: changedText(row.document, fields.document, 'document'),
    uri: changedText(row.uri, fields.uri, 'uri'),
    metadata: fields.metadata === undefined ? row.metadata : storedMetadata(fields.metadata, row.metadata),
  }
}

/** Whether a function has changed nothing. */
export function sameRow(a: Row, b: Row): boolean {
  return (
    a.document === b.document &&
    a.uri === b.uri &&
    sameVector(a.embedding, b.embedding) &&
    sameMetadata(a.metadata, b.metadata)
  )
}

export function sameVector(a: Float32Array | null, b: Float32Array | null): boolean {
  if (a === null || b === null || a === b) return a === b
  return a.length === b.length && a.every((value, at) => Object.is(value, b[at]))
}

/** Float32 numbers from what was given. Throws {@link BadValue} unless they are finite. */
export function vectorFrom(given: unknown): Float32Array {
  if (!isArrayLike(given)) throw new BadValue(`the embedding is ${describe(given)}, not a list of numbers`)
  if (given.length === 0 || given.length > MAX_DIMENSION)
    throw new BadValue(`the embedding has ${given.length} numbers`)
  const vector = new Float32Array(given.length)
  for (let at = 0; at < given.length; at++) {
    const value = given[at]
    if (typeof value !== 'number')
      throw new BadValue(`number ${at + 1} of the embedding is ${describe(value)}`)
    vector[at] = value
    // Also when it is finite only as a double.
    if (!Number.isFinite(vector[at])) throw new BadValue(`number ${at + 1} of the embedding is ${value}`)
  }
  return vector
}

/** More than any model has; bounds what a function can make us allocate. */
const MAX_DIMENSION = 100_000

function changedVector(row: Row, given: unknown): Float32Array | null {
  if (given === null) return null
  const vector = vectorFrom(given)
  const wanted = row.embedding?.length
  if (wanted !== undefined && vector.length !== wanted)
    throw new BadValue(
      `the embedding has ${vector.length} numbers instead of ${wanted}: reembed and changeDimension change their number`,
    )
  return sameVector(vector, row.embedding) ? row.embedding : vector
}

function changedText(previous: string | null, given: unknown, field: string): string | null {
  if (given === undefined || given === previous) return previous
  if (given === null) return null
  if (typeof given !== 'string') throw new BadValue(`${field} is ${describe(given)}, not a text`)
  return checkText(given, field)
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'length' in value &&
    typeof value.length === 'number' &&
    Number.isSafeInteger(value.length)
  )
}
