import type { CollectionDefinition, RecordLookup } from '../core/records.js'
import type { ChromaApi } from './api.js'
import { RecordFetcher } from './fetch-records.js'
import { listIds } from './list-windows.js'

/** A collection on a server, for random access. */
export function serverLookup(api: ChromaApi, collection: CollectionDefinition): RecordLookup {
  const fetcher = new RecordFetcher(api, collection)
  return {
    count: (signal) => api.count(collection, signal),
    listIds: (signal) => listIds({ api, collection, window: api.mostPerRequest, signal }),
    fetch: (ids, signal) => fetcher.fetch(ids, signal),
  }
}
