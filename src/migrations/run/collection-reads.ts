import type { ChromaApi } from '../../chroma/api.js'
import { readAll, readByIds } from '../../chroma/read-by-ids.js'
import { UsageError } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import type { CollectionDefinition } from '../../core/records.js'
import type { CollectionReads } from '../definition.js'
import { shownRecords } from '../operations/record-rows.js'
import type { MigrationRecord } from '../record.js'

/** Ids that one `get` may ask for. */
const MAX_IDS = 5_000

export interface ReadsJob {
  readonly api: ChromaApi
  readonly concurrency: number
  readonly tempDir: string
  readonly signal: AbortSignal
  /** The collection at the time of the call; null: an earlier step makes it, so that it is still empty. */
  readonly find: () => Promise<CollectionDefinition | null>
}

/** Reads of one collection for `up`, `down` and `check`. Every call looks anew which collection has the name. */
export function collectionReads(job: ReadsJob): CollectionReads {
  const { api, concurrency, tempDir, signal } = job
  const readable = (collection: CollectionDefinition) => ({
    api,
    collection,
    vectors: true,
    concurrency,
    signal,
  })
  return {
    async count() {
      const collection = await job.find()
      return collection === null ? 0 : api.count(collection, signal)
    },
    async get(ids) {
      if (ids.length > MAX_IDS)
        throw new UsageError(`${plural(ids.length, 'id')} at once: at most ${MAX_IDS} can be asked for`)
      const collection = await job.find()
      if (collection === null || ids.length === 0) return []
      const records: MigrationRecord[] = []
      for await (const batch of readByIds(readable(collection), one(ids)))
        records.push(...shownRecords(batch))
      return records
    },
    async *records() {
      const collection = await job.find()
      if (collection === null) return
      for await (const batch of readAll({ ...readable(collection), tempDir })) yield* shownRecords(batch)
    },
  }
}

/** The collection that has this name now. Rejects with a CollectionNotFoundError. */
export function findByName(
  of: {
    readonly api: ChromaApi
    readonly tenant: string
    readonly database: string
    readonly signal: AbortSignal
  },
  name: string,
): () => Promise<CollectionDefinition> {
  const { api, tenant, database, signal } = of
  return () => api.getCollection({ tenant, database, name }, signal)
}

async function* one(ids: readonly string[]): AsyncGenerator<readonly string[]> {
  yield ids
}
