import type { ChromaApi } from '../../chroma/api.js'
import { concatBatches } from '../../core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../../core/records.js'

/** Records per request: Chroma Cloud gives 300 at once. */
const WINDOW = 100

/** At most `size` records of a collection, in windows that are spread over the whole of it. Writes nothing. */
export async function readSample(
  api: ChromaApi,
  collection: CollectionDefinition,
  { records, size }: { readonly records: number; readonly size: number },
  signal: AbortSignal,
): Promise<RecordBatch> {
  const wanted = Math.min(records, size)
  const windows = Math.ceil(wanted / WINDOW)
  const batches: RecordBatch[] = []
  for (let at = 0; at < windows; at++) {
    const limit = Math.min(WINDOW, wanted - at * WINDOW)
    // Of a collection that is read whole, one window begins where the other ends.
    const offset =
      windows === 1 || records <= size ? at * WINDOW : Math.floor((at * (records - limit)) / (windows - 1))
    const include = ['embeddings', 'documents', 'metadatas', 'uris'] as const
    batches.push(await api.get(collection, { limit, offset, include }, signal))
  }
  return concatBatches(batches, collection.dimension ?? 0)
}

/** The size of the records as it is on a server, about: four bytes a number, and the text. */
export function bytesOf(batch: RecordBatch): number {
  const text = (values: readonly (string | null)[]) =>
    values.reduce((sum, value) => sum + (value === null ? 0 : Buffer.byteLength(value)), 0)
  const metadata = batch.metadatas.reduce((sum, entry) => sum + (entry?.size ?? 0) * METADATA_BYTES, 0)
  return batch.embeddings.byteLength + text(batch.ids) + text(batch.documents) + text(batch.uris) + metadata
}

/** Of one key and its value, about. */
const METADATA_BYTES = 24
