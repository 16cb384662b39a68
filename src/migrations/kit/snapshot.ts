import type { ChromaApi } from '../../chroma/api.js'
import { spaceOf } from '../../chroma/space.js'
import { stringifyJson } from '../../core/json.js'
import { metadataToJson } from '../../core/metadata-json.js'
import type { Metadata } from '../../core/metadata.js'
import { isHousekeeping, ownLabel } from '../../core/own-collections.js'
import type { CollectionDefinition, RecordBatch } from '../../core/records.js'

/** The user's collections of a database by name, as a test compares them: ids of collections do not count. */
export type Snapshot = ReadonlyMap<string, CollectionSnapshot>

interface CollectionSnapshot {
  /** Space and metadata. */
  readonly definition: string
  /** By id. */
  readonly records: ReadonlyMap<string, RecordSnapshot>
}

interface RecordSnapshot {
  readonly payload: string
  readonly embedding: Float32Array
}

const PAGE = 300
/** Cosine collections give vectors back a little different, and a copy of a copy a little more. */
const TOLERANCE = 1e-5

/** Everything in memory: for fixtures. */
export async function takeSnapshot(
  api: ChromaApi,
  place: { readonly tenant: string; readonly database: string },
  signal: AbortSignal,
): Promise<Snapshot> {
  const snapshot = new Map<string, CollectionSnapshot>()
  for (const collection of await api.listCollections(place.tenant, place.database, signal)) {
    if (isHousekeeping(collection) || ownLabel(collection) !== null) continue
    snapshot.set(collection.name, {
      definition: `${spaceOf(collection)} ${metadataText(collection.metadata)}`,
      records: await recordsOf(api, collection, signal),
    })
  }
  return snapshot
}

/** What is different, for people; empty: nothing is. */
export function snapshotDifferences(actual: Snapshot, expected: Snapshot): readonly string[] {
  const names = [...new Set([...expected.keys(), ...actual.keys()])].sort()
  return names.flatMap((name) => {
    const [is, wanted] = [actual.get(name), expected.get(name)]
    if (is === undefined) return [`collection ${name} is missing`]
    if (wanted === undefined) return [`collection ${name} should not be there`]
    if (is.definition !== wanted.definition)
      return [`collection ${name} is ${is.definition} instead of ${wanted.definition}`]
    return recordDifferences(name, is, wanted)
  })
}

function recordDifferences(
  name: string,
  is: CollectionSnapshot,
  wanted: CollectionSnapshot,
): readonly string[] {
  const ids = [...new Set([...wanted.records.keys(), ...is.records.keys()])]
  return ids.flatMap((id) => {
    const [record, expected] = [is.records.get(id), wanted.records.get(id)]
    const which = `record ${JSON.stringify(id)} of ${name}`
    if (record === undefined) return [`${which} is missing`]
    if (expected === undefined) return [`${which} should not be there`]
    if (record.payload !== expected.payload)
      return [`${which} is ${record.payload} instead of ${expected.payload}`]
    return isClose(record.embedding, expected.embedding) ? [] : [`${which} has another vector`]
  })
}

async function recordsOf(
  api: ChromaApi,
  collection: CollectionDefinition,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RecordSnapshot>> {
  const records = new Map<string, RecordSnapshot>()
  const include = ['embeddings', 'documents', 'metadatas', 'uris'] as const
  for (let offset = 0; ; offset += PAGE) {
    const batch = await api.get(collection, { limit: PAGE, offset, include }, signal)
    batch.ids.forEach((id, row) => records.set(id, recordOf(batch, row)))
    if (batch.ids.length < PAGE) return records
  }
}

function recordOf(
  { documents, uris, metadatas, embeddings, dimension }: RecordBatch,
  row: number,
): RecordSnapshot {
  const [document, uri] = [documents[row] ?? null, uris[row] ?? null]
  return {
    payload: `${JSON.stringify(document)} ${JSON.stringify(uri)} ${metadataText(metadatas[row] ?? null)}`,
    embedding: embeddings.slice(row * dimension, (row + 1) * dimension),
  }
}

/** The order of keys is another one in every answer. */
function metadataText(metadata: Metadata | null): string {
  if (metadata === null) return 'null'
  return stringifyJson(new Map([...metadataToJson(metadata)].sort(([a], [b]) => (a < b ? -1 : 1))))
}

function isClose(a: Float32Array, b: Float32Array): boolean {
  return (
    a.length === b.length &&
    a.every((value, at) => Math.abs(value - (b[at] ?? 0)) <= TOLERANCE * (1 + Math.abs(value)))
  )
}
