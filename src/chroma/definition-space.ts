import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.js'
import type { Metadata } from '../core/metadata.js'
import type { CollectionDefinition, Space } from '../core/records.js'

/** Parameters of the index as collections before 1.0 kept them, in metadata, and what they are called now. */
const LEGACY_PARAMETERS = new Map([
  ['hnsw:construction_ef', 'ef_construction'],
  ['hnsw:search_ef', 'ef_search'],
  ['hnsw:M', 'max_neighbors'],
  ['hnsw:num_threads', 'num_threads'],
  ['hnsw:batch_size', 'batch_size'],
  ['hnsw:sync_threshold', 'sync_threshold'],
  ['hnsw:resize_factor', 'resize_factor'],
])

const VECTOR_INDEX = ['keys', '#embedding', 'float_list', 'vector_index', 'config'] as const

/**
 * A definition whose schema and configuration say what the metadata of a collection from before 1.0 says:
 * this space, and the parameters in `hnsw:*` keys. Only members that are there are changed.
 */
export function withSpace(definition: CollectionDefinition, space: Space): CollectionDefinition {
  const parameters = legacyParameters(definition.metadata)
  const measure: JsonObject = new Map([['space', space]])
  return {
    ...definition,
    configuration: at(
      at(definition.configuration, ['hnsw'], (old) => replaced(old, new Map([...parameters, ...measure]))),
      ['spann'],
      (old) => replaced(old, measure),
    ),
    schema: at(definition.schema, VECTOR_INDEX, (old) =>
      at(replaced(old, measure), ['hnsw'], (hnsw) => replaced(hnsw, parameters)),
    ),
  }
}

/** A definition that names another embedding function, where it names one at all. */
export function withEmbeddingFunction(
  definition: CollectionDefinition,
  embeddingFunction: JsonValue,
): CollectionDefinition {
  const named = (old: JsonObject) => new Map([...old, ['embedding_function', embeddingFunction]])
  return {
    ...definition,
    configuration: at(definition.configuration, [], named),
    schema: at(definition.schema, VECTOR_INDEX, named),
  }
}

function legacyParameters(metadata: Metadata | null): JsonObject {
  const parameters = new Map<string, JsonValue>()
  for (const [legacy, name] of LEGACY_PARAMETERS) {
    const value = metadata?.get(legacy)
    if (typeof value === 'bigint' || typeof value === 'number') parameters.set(name, value)
  }
  return parameters
}

/** The same JSON with the value at `path` changed; unchanged when there is no object there. */
function at(json: JsonValue, path: readonly string[], change: (object: JsonObject) => JsonValue): JsonValue {
  if (!isJsonObject(json)) return json
  const [key, ...rest] = path
  if (key === undefined) return change(json)
  const inner = json.get(key)
  return inner === undefined ? json : new Map([...json, [key, at(inner, rest, change)]])
}

/** Members that are in both take the value of `values`. */
function replaced(object: JsonObject, values: JsonObject): JsonObject {
  return new Map([...object].map(([key, value]) => [key, values.get(key) ?? value]))
}
