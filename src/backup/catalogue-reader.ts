import { JsonSyntaxError } from '../core/json.js'
import { displayName } from '../core/records.js'
import { decodeCatalogue, rowsOf, type Catalogue } from './catalogue.js'
import { ObjectDamagedError } from './errors.js'
import type { BackupContents, CollectionEntry } from './manifest.js'
import type { ObjectReader } from './object-reader.js'
import { extentsLength, objectKey } from './object-reference.js'

/**
 * Reads the catalogue of a collection and checks it against the manifest and against itself. Rejects with
 * an {@link ObjectDamagedError}.
 */
export async function readCatalogue(
  reader: ObjectReader,
  contents: BackupContents,
  entry: CollectionEntry,
  signal?: AbortSignal,
): Promise<Catalogue> {
  const collection = displayName(entry)
  const bytes = await reader.readExtents(contents.objects, entry.catalogue, { collection, signal })
  const catalogue = decode(bytes)
  const fault = catalogue === undefined ? 'is not a catalogue' : faultOf(catalogue, entry)
  if (catalogue !== undefined && fault === null) return catalogue
  const keys = entry.catalogue.flatMap(([object]) => contents.objects[object] ?? []).map(objectKey)
  const damage = { key: keys.join(' '), backup: reader.backup, collection }
  throw new ObjectDamagedError('inconsistent', damage, fault ?? 'is not a catalogue')
}

function decode(bytes: Buffer): Catalogue | undefined {
  try {
    return decodeCatalogue(bytes)
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
}

function faultOf(catalogue: Catalogue, entry: CollectionEntry): string | null {
  if (displayName(catalogue.definition) !== displayName(entry)) {
    return `is the catalogue of ${displayName(catalogue.definition)}`
  }
  const { rowGroups, layers, digest } = catalogue
  const deleted = layers.reduce((sum, layer) => sum + layer.deleted, 0)
  const rows = rowsOf([...rowGroups, ...layers.flatMap(({ appends }) => appends)]) - deleted
  if (catalogue.records !== entry.records || rows !== entry.records)
    return 'does not have the records it should'
  if (digest.payload !== entry.digest?.payload || digest.vectors !== entry.digest.vectors) {
    return 'has other digests than the manifest'
  }
  const dimension = catalogue.definition.dimension ?? 0
  const groups = [
    ...rowGroups,
    ...layers.flatMap(({ appends, replacements }) => [...appends, ...replacements]),
  ]
  const whole = groups.every(
    (group) => extentsLength(group.vectors) === group.rows * dimension * 4 && extentsLength(group.index) > 0,
  )
  if (!whole) return 'has row groups of the wrong size'
  const placed = layers.every(
    ({ places, replacements }) => extentsLength(places) === rowsOf(replacements) * 4,
  )
  return placed ? null : 'has a layer without a place for each of its rows'
}
