import { collectionPath, type CollectionRef } from './api-path.js'
import type { ChromaTransport } from './transport.js'

/** Keys to take from one record; its other keys, its vector and its documents stay. */
export interface MetadataRemoval {
  readonly id: string
  readonly keys: readonly string[]
}

/** Removes metadata keys from records of one collection. Keys and ids that are not there are no error. */
export async function removeMetadata(
  transport: ChromaTransport,
  collection: CollectionRef,
  removals: readonly MetadataRemoval[],
  signal?: AbortSignal,
): Promise<void> {
  const ids = removals.map(({ id }) => id)
  // To Chroma, null in an update means: delete this key.
  const metadatas = removals.map(({ keys }) => Object.fromEntries(keys.map((key) => [key, null])))
  await transport.send({
    method: 'POST',
    path: `${collectionPath(collection)}/update`,
    body: JSON.stringify({ ids, metadatas }),
    idempotent: true,
    signal,
  })
}
