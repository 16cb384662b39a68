import type { ChromaApi } from '../chroma/api.js'
import { removeMetadata, type MetadataRemoval } from '../chroma/remove-metadata.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { Metadata } from '../core/metadata.js'
import type { Warning } from '../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionName,
  type RecordBatch,
} from '../core/records.js'
import type { SourceRecords } from './source-records.js'

export interface ForeignListsJob {
  readonly api: ChromaApi
  readonly expected: SourceRecords
  /** On the server, with the records of `expected`; nobody else writes to it. */
  readonly collection: CollectionDefinition
  readonly signal: AbortSignal | undefined
}

const IN_FLIGHT = 2
const RECORDS_PER_REQUEST = 1000

/**
 * Takes lists from the metadata of records that the source does not have there. Chroma (seen in 1.5) does not
 * delete the lists of a deleted collection, and shows them on new records that get the internal numbers of the
 * old ones: that is what a restore after the loss of a collection meets. Other differences are left alone.
 * Returns how many records had such lists.
 */
export async function removeForeignLists(job: ForeignListsJob): Promise<number> {
  const { api, collection, expected, signal } = job
  const found = mapInOrder(
    pieces(expected, Math.min(RECORDS_PER_REQUEST, api.mostPerRequest), signal),
    IN_FLIGHT,
    async (piece, workSignal) => foreignLists(job, piece, workSignal),
    signal,
  )
  let records = 0
  for await (const removals of found) {
    if (removals.length > 0) await removeMetadata(api.transport, collection, removals, signal)
    records += removals.length
  }
  return records
}

export function foreignListsWarning(collection: CollectionName, records: number): Warning {
  return {
    code: 'FOREIGN_LISTS_REMOVED',
    message:
      `${records} new records of ${displayName(collection)} showed lists of deleted collections in their metadata, ` +
      'which Chroma had not deleted; they were removed from these records',
  }
}

interface Piece {
  readonly ids: readonly string[]
  readonly metadatas: readonly (Metadata | null)[]
}

async function* pieces(
  expected: SourceRecords,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece, void, undefined> {
  for await (const { ids, metadatas } of expected.batches(signal))
    for (let row = 0; row < ids.length; row += size)
      yield {
        ids: ids.slice(row, row + size),
        metadatas: metadatas.slice(row, row + size),
      }
}

async function foreignLists(
  { api, collection }: ForeignListsJob,
  piece: Piece,
  signal: AbortSignal,
): Promise<readonly MetadataRemoval[]> {
  const found: RecordBatch = await api.get(collection, { ids: piece.ids, include: ['metadatas'] }, signal)
  const expected = new Map(piece.ids.map((id, row) => [id, piece.metadatas[row] ?? null]))
  return found.ids.flatMap((id, row) => {
    const keys = extraLists(expected.get(id) ?? null, found.metadatas[row] ?? null)
    return keys.length === 0 ? [] : [{ id, keys }]
  })
}

function extraLists(expected: Metadata | null, actual: Metadata | null): readonly string[] {
  return [...(actual ?? [])].flatMap(([key, value]) =>
    Array.isArray(value) && expected?.has(key) !== true ? [key] : [],
  )
}
