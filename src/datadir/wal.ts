import { isJsonObject, parseJson, type JsonObject } from '../core/json.js'
import { seqIdOf } from './seq-id.js'
import type { Database, SqlRow, SqlValue } from './sqlite.js'

/** `embeddings_queue.operation`. Others, such as back-fills, change no record. */
export type WalOperation = 'add' | 'update' | 'upsert' | 'delete' | 'other'

/** One row of the write-ahead log, `embeddings_queue`. */
export interface WalRow {
  readonly seqId: bigint
  readonly operation: WalOperation
  /** The record. */
  readonly id: string
  /** Null: the vector stays as it is. */
  readonly vector: Float32Array | null
  /** With `chroma:document` and `chroma:uri`; a member that is null takes the key away. */
  readonly metadata: JsonObject | null
}

/** A row without what is large. */
export interface WalEntry {
  readonly seqId: bigint
  readonly operation: WalOperation
  readonly id: string
  readonly hasVector: boolean
}

const OPERATIONS: readonly WalOperation[] = ['add', 'update', 'upsert', 'delete']

/** The topic of a collection ends with its id: `persistent://default/default/<id>`. */
const OF_COLLECTION = 'FROM embeddings_queue WHERE seq_id > ? AND substr(topic, -36) = ? ORDER BY seq_id'

/** What was written to a collection after an operation, in order. Row by row. */
export function* walRows(database: Database, collectionId: string, after: bigint): Generator<WalRow> {
  const rows = database.iterate(
    `SELECT seq_id, operation, id, vector, encoding, metadata ${OF_COLLECTION}`,
    after,
    collectionId,
  )
  for (const row of rows)
    yield { ...keysOf(row), vector: vectorOf(row), metadata: metadataOf(row['metadata']) }
}

/** The same without vectors and metadata. */
export function* walEntries(database: Database, collectionId: string, after: bigint): Generator<WalEntry> {
  const rows = database.iterate(
    `SELECT seq_id, operation, id, vector IS NOT NULL AS has_vector ${OF_COLLECTION}`,
    after,
    collectionId,
  )
  for (const row of rows) yield { ...keysOf(row), hasVector: row['has_vector'] === 1n }
}

/** The vectors in rows of the log, by sequence number. */
export function walVectors(database: Database, seqIds: readonly number[]): ReadonlyMap<number, Float32Array> {
  const vectors = new Map<number, Float32Array>()
  if (seqIds.length === 0) return vectors
  const sql = `SELECT seq_id, vector, encoding FROM embeddings_queue WHERE seq_id IN (${seqIds.join(',')})`
  for (const row of database.iterate(sql)) {
    const vector = vectorOf(row)
    if (vector !== null) vectors.set(Number(row['seq_id']), vector)
  }
  return vectors
}

function keysOf(row: SqlRow): { seqId: bigint; operation: WalOperation; id: string } {
  return {
    seqId: seqIdOf(row['seq_id']) ?? 0n,
    operation: OPERATIONS[Number(row['operation'])] ?? 'other',
    id: String(row['id']),
  }
}

/** Float32, little-endian; the only encoding that was ever written. */
function vectorOf(row: SqlRow): Float32Array | null {
  const bytes = row['vector']
  if (!(bytes instanceof Uint8Array) || row['encoding'] !== 'FLOAT32' || bytes.length % 4 !== 0) return null
  return new Float32Array(bytes.slice().buffer)
}

function metadataOf(text: SqlValue | undefined): JsonObject | null {
  if (typeof text !== 'string') return null
  const json = parseJson(text)
  return isJsonObject(json) ? json : null
}
