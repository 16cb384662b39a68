import { stringifyJson, type JsonValue } from '../core/json.js'
import { metadataToJson } from '../core/metadata-json.js'
import type { Metadata } from '../core/metadata.js'
import { collectionPath, type CollectionRef } from './api-path.js'
import type { ChromaTransport } from './transport.js'

/** What changes in one record. */
export interface RecordUpdate {
  readonly id: string
  /** Null: stays as it is. */
  readonly embedding: Float32Array | null
  /** Null: stays as it is; Chroma cannot take it away. */
  readonly document: string | null
  readonly uri: string | null
  /** Keys to set; the others stay. */
  readonly metadata: Metadata | null
  /** Keys to take away. */
  readonly removedKeys: readonly string[]
}

/**
 * Changes records that are there, each at once as a whole; ids that are not there are no error, and are not
 * created. `base64`: whether the server reads vectors so.
 */
export async function updateRecords(
  transport: ChromaTransport,
  collection: CollectionRef,
  updates: readonly RecordUpdate[],
  { base64, signal }: { readonly base64: boolean; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  if (updates.length === 0) return
  const columns: [string, readonly JsonValue[]][] = [
    ['embeddings', updates.map(({ embedding }) => embedding && vectorJson(embedding, base64))],
    ['documents', updates.map(({ document }) => document)],
    ['uris', updates.map(({ uri }) => uri)],
    ['metadatas', updates.map(metadataJson)],
  ]
  const used = columns.filter(([, column]) => column.some((value) => value !== null))
  await transport.send({
    method: 'POST',
    path: `${collectionPath(collection)}/update`,
    body: stringifyJson(new Map<string, JsonValue>([['ids', updates.map(({ id }) => id)], ...used])),
    idempotent: true,
    signal,
  })
}

function vectorJson(vector: Float32Array, base64: boolean): JsonValue {
  if (!base64) return [...vector]
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}

/** To Chroma, null in an update means: delete this key. */
function metadataJson({ metadata, removedKeys }: RecordUpdate): JsonValue {
  if (removedKeys.length === 0) return metadata && metadataToJson(metadata)
  const removed = removedKeys.map((key): [string, JsonValue] => [key, null])
  return new Map([...(metadata === null ? [] : metadataToJson(metadata)), ...removed])
}
