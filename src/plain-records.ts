import { UsageError } from './core/errors.js'
import { fromPlain, toPlain } from './core/json.js'
import { metadataFromJson, metadataToJson } from './core/metadata-json.js'
import type { Metadata } from './core/metadata.js'
import type { RecordBatch } from './core/records.js'

/**
 * Metadata as an application writes it. A whole `number` and a `bigint` are stored as an integer, any other
 * number as a double. Integers beyond 2^53 are read as text.
 */
export type PlainMetadata = Readonly<
  Record<string, string | number | bigint | boolean | readonly (string | number | bigint | boolean)[]>
>

/** A record as an application holds it. */
export interface PlainRecord {
  readonly id: string
  /** Numbers are stored as float32. */
  readonly embedding: ArrayLike<number>
  readonly document?: string | null
  readonly uri?: string | null
  readonly metadata?: PlainMetadata | null
}

/** A record as it is read. */
export interface StoredRecord {
  readonly id: string
  /** Null when the server has lost it. */
  readonly embedding: Float32Array | null
  readonly document: string | null
  readonly uri: string | null
  readonly metadata: Readonly<Record<string, unknown>> | null
}

/** Throws {@link UsageError} when vectors differ in length or metadata is none. */
export function toBatch(records: readonly PlainRecord[]): RecordBatch {
  const dimension = records[0]?.embedding.length ?? 0
  const embeddings = new Float32Array(records.length * dimension)
  records.forEach(({ id, embedding }, row) => {
    if (embedding.length !== dimension)
      throw new UsageError(
        `the vector of ${JSON.stringify(id)} has ${embedding.length} numbers, others have ${dimension}`,
      )
    embeddings.set(embedding, row * dimension)
  })
  return {
    ids: records.map(({ id }) => id),
    dimension,
    embeddings,
    missingEmbeddings: [],
    documents: records.map(({ document }) => document ?? null),
    uris: records.map(({ uri }) => uri ?? null),
    metadatas: records.map(({ id, metadata }) => toMetadata(metadata ?? null, `the metadata of ${id}`)),
  }
}

export function fromBatch(batch: RecordBatch): StoredRecord[] {
  const { ids, dimension, embeddings, documents, uris, metadatas } = batch
  const missing = new Set(batch.missingEmbeddings)
  return ids.map((id, row) => ({
    id,
    embedding: missing.has(row) ? null : embeddings.slice(row * dimension, (row + 1) * dimension),
    document: documents[row] ?? null,
    uri: uris[row] ?? null,
    metadata: fromMetadata(metadatas[row] ?? null),
  }))
}

/** `what` names it in the {@link UsageError}. */
export function toMetadata(plain: PlainMetadata | null, what: string): Metadata | null {
  const metadata = metadataFromJson(fromPlain(plain))
  if (metadata === undefined)
    throw new UsageError(`${what} holds something else than texts, numbers, booleans and lists of them`)
  return metadata
}

function fromMetadata(metadata: Metadata | null): Record<string, unknown> | null {
  if (metadata === null) return null
  return Object.fromEntries([...metadataToJson(metadata)].map(([key, value]) => [key, toPlain(value)]))
}
