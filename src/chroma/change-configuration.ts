import { stringifyJson, type JsonObject } from '../core/json.js'
import { collectionPath, type CollectionRef } from './api-path.js'
import type { ChromaTransport } from './transport.js'

/**
 * Changes settings of a collection where it is: `hnsw`, `spann`, `embedding_function` as the API writes them.
 * A server takes settings that it does not know or does not use without a word: read them again.
 */
export async function changeConfiguration(
  transport: ChromaTransport,
  collection: CollectionRef,
  configuration: JsonObject,
  signal?: AbortSignal,
): Promise<void> {
  await transport.send({
    method: 'PUT',
    path: collectionPath(collection),
    body: stringifyJson(new Map([['new_configuration', configuration]])),
    idempotent: true,
    signal,
  })
}
