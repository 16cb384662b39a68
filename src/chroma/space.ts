import { isJsonObject, type JsonValue } from '../core/json.js'
import type { Metadata } from '../core/metadata.js'
import type { CollectionDefinition, Space } from '../core/records.js'

/** The space that a server reports when nobody has chosen one. */
export const DEFAULT_SPACE: Space = 'l2'

type Described = Pick<CollectionDefinition, 'schema' | 'configuration' | 'metadata'>

/**
 * The distance that a collection measures with, as far as its definition tells: the schema, else the
 * configuration, else `hnsw:space` in the metadata, else l2. See {@link spaceIsDoubtful}.
 */
export function spaceOf(definition: Described): Space {
  return declaredSpace(definition) ?? metadataSpace(definition.metadata) ?? DEFAULT_SPACE
}

/**
 * A collection that was made before 1.0 keeps its true parameters where the API does not show them: its
 * configuration says l2, its `hnsw:space` something else. Only measuring tells; see `probeSpace`.
 */
export function spaceIsDoubtful(definition: Described): boolean {
  const inMetadata = metadataSpace(definition.metadata)
  const declared = declaredSpace(definition)
  return inMetadata !== undefined && declared !== undefined && inMetadata !== declared
}

/** `hnsw:space` of the metadata, if it names a space. */
export function metadataSpace(metadata: Metadata | null): Space | undefined {
  return asSpace(metadata?.get('hnsw:space'))
}

/** What the schema or, without one, the configuration says. */
export function declaredSpace({ schema, configuration }: Described): Space | undefined {
  const vectorIndex = at(schema, 'keys', '#embedding', 'float_list', 'vector_index', 'config', 'space')
  const byDefault = at(schema, 'defaults', 'float_list', 'vector_index', 'config', 'space')
  return (
    asSpace(vectorIndex) ??
    asSpace(byDefault) ??
    asSpace(at(configuration, 'hnsw', 'space')) ??
    asSpace(at(configuration, 'spann', 'space'))
  )
}

function at(json: JsonValue, ...keys: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = json
  for (const key of keys) value = isJsonObject(value) ? value.get(key) : undefined
  return value
}

function asSpace(value: unknown): Space | undefined {
  return value === 'l2' || value === 'cosine' || value === 'ip' ? value : undefined
}
