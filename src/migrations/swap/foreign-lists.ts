import type { ChromaApi } from '../../chroma/api.js'
import { readByIds } from '../../chroma/read-by-ids.js'
import { removeMetadata, type MetadataRemoval } from '../../chroma/remove-metadata.js'
import { pickRows } from '../../core/batch-rows.js'
import type { Metadata } from '../../core/metadata.js'
import type { CollectionDefinition, RecordBatch } from '../../core/records.js'
import type { WriteGuard } from '../step-journal.js'
import { once } from './copy-records.js'
import { digestRows, samePayload } from './record-digests.js'

export interface ForeignListsJob {
  readonly api: ChromaApi
  readonly collection: CollectionDefinition
  /** The digest of what was written. */
  readonly written: (id: string) => string | null
  readonly guard: WriteGuard
  readonly concurrency: number
  readonly signal: AbortSignal
}

/** Of more lists in one record, not every choice is tried. */
const MOST_LISTS = 8

/**
 * Takes lists from the metadata of records that were written without them. Chroma does not delete the lists of a
 * deleted collection, and shows them on new records that get the internal numbers of the old ones; see
 * `removeForeignLists` of the restore. Returns the ids of the records that are now as they were written.
 */
export async function removeForeignLists(
  job: ForeignListsJob,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { api, collection, concurrency, guard, signal, written } = job
  const mended = new Set<string>()
  const records = readByIds({ api, collection, vectors: false, concurrency, signal }, once(ids))
  for await (const batch of records) {
    const removals = digestRows(batch).flatMap((digest, row) => {
      const id = batch.ids[row] ?? ''
      const wanted = written(id)
      if (wanted === null || samePayload(wanted, digest)) return []
      const keys = foreignKeys(batch, row, wanted)
      return keys.length === 0 ? [] : [{ id, keys } satisfies MetadataRemoval]
    })
    if (removals.length === 0) continue
    await guard.check()
    await removeMetadata(api.transport, collection, removals, signal)
    for (const { id } of removals) mended.add(id)
  }
  return mended
}

/** Lists without which the record is the one that was written; empty when there are none. */
function foreignKeys(batch: RecordBatch, row: number, wanted: string): readonly string[] {
  const record = pickRows(batch, [row])
  const [metadata] = record.metadatas
  const lists = [...(metadata ?? [])].flatMap(([key, value]) => (Array.isArray(value) ? [key] : []))
  for (const keys of choices(lists)) {
    const [digest = ''] = digestRows({ ...record, metadatas: [without(metadata ?? null, keys)] })
    if (samePayload(wanted, digest)) return keys
  }
  return []
}

function* choices(keys: readonly string[]): Generator<readonly string[]> {
  if (keys.length === 0) return
  yield keys
  if (keys.length > MOST_LISTS) return
  for (let mask = 1; mask < 2 ** keys.length - 1; mask++)
    yield keys.filter((_, at) => (mask & (1 << at)) !== 0)
}

function without(metadata: Metadata | null, keys: readonly string[]): Metadata | null {
  const left = [...(metadata ?? [])].filter(([key]) => !keys.includes(key))
  return left.length === 0 ? null : new Map(left)
}
