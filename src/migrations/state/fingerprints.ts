import type { ChromaApi } from '../../chroma/api.js'
import { spaceOf } from '../../chroma/space.js'
import { ownLabel } from '../../core/own-collections.js'
import type { CollectionDefinition } from '../../core/records.js'
import type { CollectionFingerprint, MigrationRow } from './row.js'

/** A collection is not the one that the migrations have left. */
export interface CollectionDrift {
  /** The migration that has left it. */
  readonly version: string
  readonly expected: CollectionFingerprint
  /** Without a count, which says nothing about drift; null: there is none of this name. */
  readonly actual: Omit<CollectionFingerprint, 'count'> | null
  /** For people: what differs, and what may have happened. */
  readonly differences: readonly string[]
}

/**
 * What a migration leaves: the collections of these names as they are now, and which of them are not there. Names of
 * old collections, which are dropped in the end, count as not there.
 */
export async function takeFingerprints(
  api: ChromaApi,
  place: { readonly tenant: string; readonly database: string },
  names: readonly string[],
  signal?: AbortSignal,
): Promise<readonly CollectionFingerprint[]> {
  const fingerprints: CollectionFingerprint[] = []
  for (const name of [...new Set(names)].sort()) {
    const found = await api.findCollection({ ...place, name }, signal)
    if (found === undefined || ownLabel(found) !== null)
      fingerprints.push({ name, id: null, dimension: null, space: '', count: 0 })
    else fingerprints.push({ ...described(found), count: await api.count(found, signal) })
  }
  return fingerprints
}

/**
 * Where the database is not what its migrations have left: a collection was made again, restored, renamed or removed
 * by somebody else. Records come and go: their number is no drift. `rows` by version, as the state has them.
 */
export function findDrift(
  rows: readonly MigrationRow[],
  collections: readonly CollectionDefinition[],
): readonly CollectionDrift[] {
  const now = new Map(collections.map((collection) => [collection.name, collection]))
  const drifts: CollectionDrift[] = []
  for (const { version, fingerprint } of latest(rows)) {
    const found = now.get(fingerprint.name)
    const differences = differencesOf(fingerprint, found)
    if (differences.length === 0) continue
    const actual = found === undefined ? null : described(found)
    drifts.push({ version, expected: fingerprint, actual, differences })
  }
  return drifts
}

/** Versions go up with time, as out of order comes only what shares no collection. */
function latest(rows: readonly MigrationRow[]): { version: string; fingerprint: CollectionFingerprint }[] {
  const byName = new Map<string, { version: string; fingerprint: CollectionFingerprint }>()
  for (const { version, status, fingerprints } of rows) {
    if (status !== 'applied' && status !== 'reverted') continue
    for (const fingerprint of fingerprints) {
      // The same collection under another name: it was renamed by this migration.
      for (const [name, earlier] of byName)
        if (fingerprint.id !== null && earlier.fingerprint.id === fingerprint.id) byName.delete(name)
      byName.set(fingerprint.name, { version, fingerprint })
    }
  }
  return [...byName.values()].sort((a, b) => (a.fingerprint.name < b.fingerprint.name ? -1 : 1))
}

function differencesOf(
  expected: CollectionFingerprint,
  actual: CollectionDefinition | undefined,
): readonly string[] {
  if (expected.id === null)
    return actual === undefined ? [] : [`${expected.name} was gone and is there again`]
  if (actual === undefined) return [`${expected.name} is gone`]
  const differences: string[] = []
  if (actual.id !== expected.id)
    differences.push(`another collection has the name ${expected.name}: made again, or restored`)
  const space = spaceOf(actual)
  if (space !== expected.space) differences.push(`its space is ${space}, not ${expected.space}`)
  // An empty collection gets its dimension with the first record.
  if (expected.dimension !== null && actual.dimension !== expected.dimension)
    differences.push(`its dimension is ${actual.dimension ?? 'none'}, not ${expected.dimension}`)
  return differences
}

function described(collection: CollectionDefinition): Omit<CollectionFingerprint, 'count'> {
  const { name, id, dimension } = collection
  return { name, id, dimension, space: spaceOf(collection) }
}
