import type { Metadata } from '../core/metadata.js'
import type { Warning } from '../core/progress.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'
import type { ChromaApi } from './api.js'
import { ChromaInvalidRequestError, ChromaNotSupportedError } from './errors.js'
import { jsonDifferences, type JsonDifference } from './json-differences.js'
import { spaceOf } from './space.js'
import { withoutSparseIndexes } from './sparse-index.js'

export interface CreateLikeOptions {
  readonly address: CollectionName
  /** Metadata for now, when the true one shall follow later; null sets the true one at once. */
  readonly marker: Metadata | null
  readonly signal?: AbortSignal | undefined
}

export interface CreatedLike {
  readonly collection: CollectionDefinition
  /** What the server could not take over. */
  readonly warnings: readonly Warning[]
}

/** This server measures distances otherwise than the original: queries would give other answers. */
export class SpaceNotKeptError extends ChromaNotSupportedError {
  override readonly code = 'SPACE_NOT_KEPT'
}

/**
 * Creates an empty collection like `definition` at another address.
 *
 * The schema goes without the metadata, because a server refuses it together with `hnsw:*` keys or derives
 * an index from those; the metadata follows in a second request, which only stores it. A server that does not
 * know schemas gets the configuration. What the server made of it is compared: another space is an error
 * ({@link SpaceNotKeptError}; the collection is removed again), everything else a warning. Rejects with a
 * ChromaConflictError when the address is taken.
 */
export async function createLike(
  api: ChromaApi,
  definition: CollectionDefinition,
  { address, marker, signal }: CreateLikeOptions,
): Promise<CreatedLike> {
  const { capabilities } = await api.fingerprint(signal)
  const { configuration } = definition
  const schema = capabilities.schema === false ? null : definition.schema
  const { tenant, database, name } = address
  const spec = { tenant, database, name, metadata: marker, schema, configuration }
  const { collection, sparseLost } = await create(api, spec, signal)

  const wantedSpace = spaceOf(definition)
  if (spaceOf(collection) !== wantedSpace) {
    await api.deleteCollection(collection, signal)
    throw new SpaceNotKeptError(
      `${displayName(definition)} measures ${wantedSpace}, and this server makes it ${spaceOf(collection)}`,
    )
  }
  const differences =
    schema === null || collection.schema === null
      ? jsonDifferences(configuration, collection.configuration)
      : jsonDifferences(sparseLost ? withoutSparseIndexes(schema) : schema, collection.schema)
  const warnings = [
    ...(sparseLost ? [sparseWarning(definition)] : []),
    ...(definition.schema !== null && collection.schema === null ? [schemaWarning(definition)] : []),
    ...(differences.length > 0 ? [settingsWarning(definition, differences)] : []),
  ]
  if (marker !== null || definition.metadata === null) return { collection, warnings }
  await api.updateCollection(collection, { newMetadata: definition.metadata }, signal)
  return { collection: { ...collection, metadata: definition.metadata }, warnings }
}

/** A single node refuses indexes of sparse vectors; without them it takes the rest. */
async function create(
  api: ChromaApi,
  spec: Parameters<ChromaApi['createCollection']>[0],
  signal: AbortSignal | undefined,
): Promise<{ readonly collection: CollectionDefinition; readonly sparseLost: boolean }> {
  try {
    return { collection: await api.createCollection(spec, signal), sparseLost: false }
  } catch (error) {
    const isSparse =
      error instanceof ChromaInvalidRequestError && /sparse vector index/i.test(error.serverMessage ?? '')
    if (!isSparse) throw error
    const schema = withoutSparseIndexes(spec.schema)
    return { collection: await api.createCollection({ ...spec, schema }, signal), sparseLost: true }
  }
}

function sparseWarning(definition: CollectionDefinition): Warning {
  return {
    code: 'SPARSE_INDEX_LOST',
    message: `${displayName(definition)}: this server has no index for sparse vectors; it is left out`,
  }
}

function schemaWarning(definition: CollectionDefinition): Warning {
  return {
    code: 'SCHEMA_LOST',
    message: `${displayName(definition)}: this server is older than schemas (1.3); only its configuration is kept`,
  }
}

function settingsWarning(definition: CollectionDefinition, differences: readonly JsonDifference[]): Warning {
  const shown = differences
    .slice(0, 5)
    .map(({ path, wanted, actual }) => `${path}: ${wanted} became ${actual}`)
  const more = differences.length > shown.length ? ` and ${differences.length - shown.length} more` : ''
  return {
    code: 'SETTINGS_CHANGED',
    message: `${displayName(definition)}: settings that the server changed: ${shown.join('; ')}${more}`,
  }
}
