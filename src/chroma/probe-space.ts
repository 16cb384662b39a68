import type { CollectionDefinition, Space } from '../core/records.js'
import type { ChromaApi } from './api.js'
import { withSpace } from './definition-space.js'
import { ChromaServerError } from './errors.js'
import { DEFAULT_SPACE, declaredSpace, metadataSpace, spaceIsDoubtful } from './space.js'

const SPACES: readonly Space[] = ['l2', 'cosine', 'ip']
/** Distances are float32 sums in another order than ours. */
const TOLERANCE = 1e-3
/** Queries are stored vectors made so much longer, which the three spaces answer differently. */
const STRETCHES = [2, 5] as const

/**
 * The space in which a collection really measures, found out from the distances of its own vectors. Null
 * when they do not tell: the collection is empty, its vectors are zero or cannot be read.
 */
export async function probeSpace(
  api: ChromaApi,
  collection: CollectionDefinition,
  signal?: AbortSignal,
): Promise<Space | null> {
  try {
    const { embeddings, dimension } = await api.get(
      collection,
      { limit: 10, offset: 0, include: ['embeddings'] },
      signal,
    )
    for (let at = 0; dimension > 0 && at < embeddings.length; at += dimension) {
      const stored = embeddings.subarray(at, at + dimension)
      if (stored.every((value) => value === 0)) continue
      for (const stretch of STRETCHES) {
        const space = await probeWith(
          api,
          collection,
          stored.map((value) => value * stretch),
          signal,
        )
        if (space !== null) return space
      }
    }
    return null
  } catch (error) {
    if (error instanceof ChromaServerError) return null
    throw error
  }
}

/**
 * The definition with the space that the collection really has, where what the server says of it is in doubt
 * (see {@link spaceIsDoubtful}). The parameters of such a collection are those in its metadata.
 */
export async function withTrueSpace(
  api: ChromaApi,
  definition: CollectionDefinition,
  signal?: AbortSignal,
): Promise<CollectionDefinition> {
  if (!spaceIsDoubtful(definition)) return definition
  const probed = await probeSpace(api, definition, signal)
  const legacy = declaredSpace(definition) === DEFAULT_SPACE
  const space = probed ?? (legacy ? metadataSpace(definition.metadata) : undefined)
  if (space === undefined || space === declaredSpace(definition)) return definition
  return withSpace(definition, space)
}

async function probeWith(
  api: ChromaApi,
  collection: CollectionDefinition,
  vector: Float32Array,
  signal: AbortSignal | undefined,
): Promise<Space | null> {
  const [hit] = await api.query(collection, { vector, limit: 1, withVectors: true }, signal)
  if (hit?.vector?.length !== vector.length || hit.distance === null) return null
  const { distance, vector: found } = hit
  if (found.every((value) => value === 0)) return null
  const fits = SPACES.filter((space) => isClose(distanceIn(space, vector, found), distance))
  const [only] = fits
  return fits.length === 1 ? (only ?? null) : null
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b))
}

/** As Chroma computes it. */
function distanceIn(space: Space, a: Float32Array, b: Float32Array): number {
  let [product, squares, aa, bb] = [0, 0, 0, 0]
  for (const [index, x] of a.entries()) {
    const y = b[index] ?? 0
    product += x * y
    squares += (x - y) ** 2
    aa += x * x
    bb += y * y
  }
  if (space === 'l2') return squares
  return space === 'ip' ? 1 - product : 1 - product / Math.sqrt(aa * bb)
}
