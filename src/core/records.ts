import type { JsonValue } from './json.js'
import type { Metadata } from './metadata.js'

/**
 * Consecutive records of one collection, column by column, in the collection's own order (the order of
 * insertion). Lossless: what Chroma keeps apart is kept apart here. All columns have `ids.length` rows.
 */
export interface RecordBatch {
  readonly ids: readonly string[]
  /** Floats per vector; 0 when the collection has never had a vector. */
  readonly dimension: number
  /** `ids.length × dimension` floats, row by row. Rows whose vector is missing are zero. */
  readonly embeddings: Float32Array
  /** Rows whose vector the source could not deliver, ascending; empty when all is well. */
  readonly missingEmbeddings: readonly number[]
  /** Null and the empty string are different. */
  readonly documents: readonly (string | null)[]
  readonly uris: readonly (string | null)[]
  readonly metadatas: readonly (Metadata | null)[]
}

/** Where a collection lives and what it is called. */
export interface CollectionName {
  readonly tenant: string
  readonly database: string
  readonly name: string
}

/** `tenant/database/name`, for messages and as a sort key. */
export function displayName({ tenant, database, name }: CollectionName): string {
  return `${tenant}/${database}/${name}`
}

/** Everything about a collection except its records. */
export interface CollectionDefinition extends CollectionName {
  /** The id that the source gave it (a UUID for a server). A restore cannot keep it. */
  readonly id: string
  readonly metadata: Metadata | null
  /** `configuration_json` as the server sent it, numbers kept; null when the source has none. */
  readonly configuration: JsonValue
  /** `schema` as the server sent it (1.3 and newer), else null. */
  readonly schema: JsonValue
  /** Null until the first record was written. */
  readonly dimension: number | null
}

/** `cosine` vectors come back from Chroma up to 4 ULP off; `l2` and `ip` bit by bit. */
export type Space = 'l2' | 'cosine' | 'ip'

/** What happened in a collection while it was read. `added + removed + missing = 0` is not a proof of quiet. */
export interface ReadConsistency {
  /** Ids in the closing list that were not in the opening one. They are not in the records that were read. */
  readonly added: number
  /** Ids in the opening list that were gone at the end. */
  readonly removed: number
  /** Ids listed at the start that could not be fetched any more. */
  readonly missing: number
}

/** Reads one collection once, from the first record to the last. */
export interface CollectionReader {
  readonly definition: CollectionDefinition
  /** An estimate for progress bars; the truth is what {@link batches} yields. */
  readonly expectedRecords: number
  /** The records in the collection's own order. Bounded memory: a few batches in flight. */
  batches(signal?: AbortSignal): AsyncIterable<RecordBatch>
  /** Known when {@link batches} has ended; throws before. */
  consistency(): ReadConsistency
  /** Why what was read is not all that there was; known when {@link batches} has ended. Absent: it is all. */
  damage?(): { readonly code: string; readonly message: string } | null
}

/** Records by collection: a server, a data directory, a backup. */
export interface RecordSource {
  /** For messages and manifests; never contains credentials. */
  readonly displayUrl: string
  /** Every collection in scope, sorted by tenant, database and name. */
  listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]>
  /** Rejects with a {@link CollectionNotFoundError} if it is gone. */
  openCollection(definition: CollectionDefinition, signal?: AbortSignal): Promise<CollectionReader>
  close(): Promise<void>
}

/** Takes the records of one collection, in order. */
export interface CollectionWriter {
  /** Adds records behind those already there. A batch is durable when the promise resolves. */
  write(batch: RecordBatch, signal?: AbortSignal): Promise<void>
  /** Makes the collection visible under its own name. Nothing is visible before. */
  commit(signal?: AbortSignal): Promise<void>
  /** Gives up: what was written is removed as far as possible. */
  abort(): Promise<void>
}

/** Random access to the records of one collection, as a comparer needs it. */
export interface RecordLookup {
  count(signal?: AbortSignal): Promise<number>
  /** Every id in the collection's own order, in pieces of some thousands. Bounded memory. */
  listIds(signal?: AbortSignal): AsyncIterable<readonly string[]>
  /**
   * The records with these ids (at most some thousands), in the collection's own order, which need not be
   * the order asked for. Ids that are not there are left out; a record whose vector cannot be read is there
   * and named in `missingEmbeddings`.
   */
  fetch(ids: readonly string[], signal?: AbortSignal): Promise<RecordBatch>
}
