import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.js'
import type { Metadata } from '../core/metadata.js'
import { schemaWith } from './default-schema.js'

/** What the tables say of the index of one collection. */
export interface StoredParameters {
  /** `config_json_str`, parsed. */
  readonly config: JsonValue
  /** `schema_str`, parsed. */
  readonly schema: JsonValue
  /** `segment_metadata` of the vector segment: the true parameters of a collection from before 1.0. */
  readonly legacy: Metadata | null
  /** The release keeps schemas (1.3 and newer). */
  readonly withSchema: boolean
}

export interface ShownParameters {
  readonly configuration: JsonValue
  readonly schema: JsonValue
}

const LEGACY_NAMES = new Map([
  ['space', 'hnsw:space'],
  ['ef_construction', 'hnsw:construction_ef'],
  ['ef_search', 'hnsw:search_ef'],
  ['max_neighbors', 'hnsw:M'],
  ['num_threads', 'hnsw:num_threads'],
  ['batch_size', 'hnsw:batch_size'],
  ['sync_threshold', 'hnsw:sync_threshold'],
  ['resize_factor', 'hnsw:resize_factor'],
])

const DEFAULTS: JsonObject = new Map<string, JsonValue>([
  ['space', 'l2'],
  ['ef_construction', 100n],
  ['ef_search', 100n],
  ['max_neighbors', 16n],
  ['resize_factor', 1.2],
  ['sync_threshold', 1000n],
])

/**
 * `configuration_json` and `schema` as the server of the same release shows them, with one difference: of a
 * collection from before 1.0 they tell the true parameters, where newer servers show their defaults.
 */
export function shownParameters({ config, schema, legacy, withSchema }: StoredParameters): ShownParameters {
  const stored = isJsonObject(schema) ? indexOfSchema(schema) : indexOfConfig(config)
  const parameters = new Map([...stored.parameters, ...legacyParameters(legacy)])
  const configuration = configurationOf(parameters, stored.embeddingFunction)
  if (isJsonObject(schema)) return { configuration, schema }
  return { configuration, schema: withSchema ? schemaWith(parameters, stored.embeddingFunction) : null }
}

interface StoredIndex {
  readonly parameters: JsonObject
  /** Undefined: never chosen. */
  readonly embeddingFunction: JsonValue | undefined
}

function configurationOf(parameters: JsonObject, embeddingFunction: JsonValue | undefined): JsonValue {
  return new Map<string, JsonValue>([
    ['hnsw', new Map([...DEFAULTS].map(([name, value]) => [name, parameters.get(name) ?? value]))],
    ['spann', null],
    ['embedding_function', embeddingFunction ?? null],
  ])
}

function indexOfSchema(schema: JsonObject): StoredIndex {
  const index = at(schema, 'keys', '#embedding', 'float_list', 'vector_index', 'config')
  const byDefault = at(schema, 'defaults', 'float_list', 'vector_index', 'config')
  return indexOf(isJsonObject(index) ? index : byDefault, 'hnsw')
}

/** 1.0 to 1.2: `{"vector_index":{"hnsw":{…}},"embedding_function":…}`; before, nothing that held. */
function indexOfConfig(config: JsonValue): StoredIndex {
  const parameters = at(config, 'vector_index', 'hnsw')
  return {
    parameters: isJsonObject(parameters) ? parameters : new Map<string, JsonValue>(),
    embeddingFunction: at(config, 'embedding_function'),
  }
}

function indexOf(index: JsonValue | undefined, name: string): StoredIndex {
  const own = at(index, name)
  const parameters = new Map(isJsonObject(own) ? own : [])
  const space = at(index, 'space')
  if (space !== undefined) parameters.set('space', space)
  return { parameters, embeddingFunction: at(index, 'embedding_function') }
}

function legacyParameters(legacy: Metadata | null): JsonObject {
  const parameters = new Map<string, JsonValue>()
  for (const [name, key] of LEGACY_NAMES) {
    const value = legacy?.get(key)
    if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'string')
      parameters.set(name, value)
  }
  return parameters
}

function at(json: JsonValue | undefined, ...keys: readonly string[]): JsonValue | undefined {
  let value = json
  for (const key of keys) value = isJsonObject(value) ? value.get(key) : undefined
  return value
}
