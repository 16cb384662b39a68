import { displayName, type CollectionDefinition } from '../core/records.js'
import { definitionText, encodeCatalogue, type Layer, type RowGroup } from './catalogue.js'
import type { PendingCollection } from './collection-writer.js'
import type { BackupContents, CollectionEntry, ContentsLocation } from './manifest.js'
import { objectKey, type ObjectReference } from './object-reference.js'
import { ObjectTable } from './object-table.js'
import type { ObjectWriter, PendingExtent } from './object-writer.js'
import type { ReusableCollection } from './reuse.js'
import type { PendingLayer, PendingRowGroup } from './row-group-writer.js'

/** Above this, the list of collections goes into objects of its own, so that manifests stay small. */
const INLINE_CONTENTS_BYTES = 32 * 1024

/** What became of one collection. */
export type CollectionOutcome =
  | {
      readonly status: 'written'
      readonly collection: PendingCollection
      readonly earlier: ReusableCollection | null
    }
  | {
      readonly status: 'failed'
      readonly definition: CollectionDefinition
      readonly error: { readonly code: string; readonly message: string }
    }

export interface WrittenContents {
  readonly entries: readonly CollectionEntry[]
  readonly contents: BackupContents | ContentsLocation
  /** Every object that the backup needs, by key. */
  readonly objects: ReadonlyMap<string, ObjectReference>
  readonly unchangedCollections: number
  /** A catalogue has layers. */
  readonly layered: boolean
}

export function lostVectors({ definition, missingVectors, records }: PendingCollection): string {
  return `${displayName(definition)}: the source has lost ${missingVectors} of ${records} vectors`
}

/** Stores the catalogues of all collections, behind their records, and lists them. */
export async function writeContents(
  outcomes: readonly CollectionOutcome[],
  writer: ObjectWriter,
): Promise<WrittenContents> {
  // The names of objects are known when they are stored.
  await writer.finish()
  const objects = new Map<string, ObjectReference>()
  const pending: {
    readonly entry: Omit<CollectionEntry, 'catalogue'>
    catalogue: readonly PendingExtent[]
  }[] = []
  let unchangedCollections = 0
  let layered = false
  for (const outcome of outcomes) {
    if (outcome.status === 'failed') {
      pending.push({ entry: failedEntry(outcome.definition, outcome.error), catalogue: [] })
      continue
    }
    const { collection, earlier } = outcome
    const table = new ObjectTable()
    const rowGroups = collection.rowGroups.map((group) => addressed(group, table))
    const layers = collection.layers.map((layer) => addressedLayer(layer, table))
    if (layers.length > 0) layered = true
    for (const reference of table.references) objects.set(objectKey(reference), reference)
    const unchanged = earlier !== null && isUnchanged(collection, earlier)
    if (unchanged) unchangedCollections++
    const catalogue = unchanged
      ? earlier.catalogueExtents
      : await writer.append('catalogue', [
          encodeCatalogue({
            definition: collection.definition,
            records: collection.records,
            missingVectors: collection.missingVectors,
            digest: collection.digest,
            objects: table.references,
            rowGroups,
            layers,
          }),
        ])
    pending.push({ entry: writtenEntry(collection), catalogue })
  }
  await writer.finish()
  const table = new ObjectTable()
  const entries = pending.map(({ entry, catalogue }) => ({ ...entry, catalogue: table.extents(catalogue) }))
  for (const reference of table.references) objects.set(objectKey(reference), reference)
  const contents = await placeContents({ objects: table.references, collections: entries }, writer, objects)
  return { entries, contents, objects, unchangedCollections, layered }
}

export async function placeContents(
  contents: BackupContents,
  writer: ObjectWriter,
  objects: Map<string, ObjectReference>,
): Promise<BackupContents | ContentsLocation> {
  const text = Buffer.from(JSON.stringify(contents))
  if (text.length <= INLINE_CONTENTS_BYTES) return contents
  const pending = await writer.append('contents', [text])
  await writer.finish()
  const table = new ObjectTable()
  const document = table.extents(pending)
  for (const reference of table.references) objects.set(objectKey(reference), reference)
  return { objects: table.references, document }
}

function addressed(group: PendingRowGroup, table: ObjectTable): RowGroup {
  return {
    id: group.id,
    rows: group.rows,
    missing: group.missing,
    vectors: table.extents(group.vectors),
    payload: table.extents(group.payload),
    index: table.extents(group.index),
  }
}

function addressedLayer(layer: PendingLayer, table: ObjectTable): Layer {
  return {
    replacements: layer.replacements.map((group) => addressed(group, table)),
    places: table.extents(layer.places),
    deleted: layer.deleted,
    tombstones: table.extents(layer.tombstones),
    appends: layer.appends.map((group) => addressed(group, table)),
  }
}

/** Same definition, same records in the same order: then the catalogue of the earlier backup says it all. */
function isUnchanged(
  collection: PendingCollection,
  { catalogue, rowGroups, whole }: ReusableCollection,
): boolean {
  if (definitionText(collection.definition) !== definitionText(catalogue.definition)) return false
  if (whole !== null && collection.layers === whole.layers) return true
  return (
    collection.layers.length + catalogue.layers.length === 0 &&
    collection.rowGroups.length === catalogue.rowGroups.length &&
    collection.rowGroups.every(
      (group, index) => group === rowGroups.get(catalogue.rowGroups[index]?.id ?? ''),
    )
  )
}

function writtenEntry(collection: PendingCollection): Omit<CollectionEntry, 'catalogue'> {
  const { definition, records, missingVectors, digest, logicalBytes, consistency } = collection
  const { tenant, database, name, id, dimension } = definition
  const lost = missingVectors === 0 ? null : { code: 'VECTORS_LOST', message: lostVectors(collection) }
  const error = collection.damage ?? lost
  const status = error === null ? 'complete' : 'incomplete'
  return {
    tenant,
    database,
    name,
    id,
    status,
    records,
    dimension,
    missingVectors,
    logicalBytes,
    digest,
    consistency,
    error,
  }
}

function failedEntry(
  { tenant, database, name, id, dimension }: CollectionDefinition,
  error: { readonly code: string; readonly message: string },
): Omit<CollectionEntry, 'catalogue'> {
  return {
    tenant,
    database,
    name,
    id,
    status: 'failed',
    records: 0,
    dimension,
    missingVectors: 0,
    logicalBytes: 0,
    digest: null,
    consistency: null,
    error,
  }
}
