import { isJsonObject, parseJson, stringifyJson, type JsonObject, type JsonValue } from '../core/json.js'
import type { CollectionDefinition, Space } from '../core/records.js'

/** How an index is built. */
export interface IndexSettings {
  readonly space: Space
  readonly efConstruction: number
  /** Neighbours of a vector; `M`. */
  readonly maxNeighbours: number
}

/** Where a schema (1.3 and newer) keeps them, and where its default for new keys is. */
const SCHEMA_PLACES = [
  ['keys', '#embedding', 'float_list', 'vector_index', 'config'],
  ['defaults', 'float_list', 'vector_index', 'config'],
] as const

/** Of the index as it is; Chroma's defaults where the collection does not say. */
export function settingsOf({ configuration }: CollectionDefinition): IndexSettings {
  const hnsw = isJsonObject(configuration) ? configuration.get('hnsw') : undefined
  const member = (name: string) => (isJsonObject(hnsw) ? hnsw.get(name) : undefined)
  const number = (name: string, otherwise: number) => {
    const value = member(name)
    return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : otherwise
  }
  const space = member('space')
  return {
    space: space === 'cosine' || space === 'ip' ? space : 'l2',
    efConstruction: number('ef_construction', 100),
    maxNeighbours: number('max_neighbors', 16),
  }
}

/** The text of a schema with other settings; null when it does not say any: then there is nothing to change. */
export function schemaWithSettings(text: string, settings: IndexSettings): string | null {
  let json = parseJson(text)
  let changed = false
  for (const place of SCHEMA_PLACES) {
    const found = at(json, place)
    if (!isJsonObject(found)) continue
    const hnsw = found.get('hnsw')
    const members = isJsonObject(hnsw) ? hnsw : new Map<string, JsonValue>()
    const config = new Map(found).set('space', settings.space).set('hnsw', withMembers(members, settings))
    json = replaced(json, place, config)
    changed = true
  }
  return changed ? stringifyJson(json) : null
}

/** The same for `config_json_str` of 1.0 to 1.2. */
export function configWithSettings(text: string, settings: IndexSettings): string | null {
  const json = parseJson(text)
  const hnsw = at(json, ['vector_index', 'hnsw'])
  if (!isJsonObject(hnsw)) return null
  const members = withMembers(hnsw, settings).set('space', settings.space)
  return stringifyJson(replaced(json, ['vector_index', 'hnsw'], members))
}

function withMembers(members: JsonObject, settings: IndexSettings): Map<string, JsonValue> {
  return new Map(members)
    .set('ef_construction', BigInt(settings.efConstruction))
    .set('max_neighbors', BigInt(settings.maxNeighbours))
}

function at(json: JsonValue, place: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = json
  for (const key of place) value = isJsonObject(value) ? value.get(key) : undefined
  return value
}

function replaced(json: JsonValue, place: readonly string[], value: JsonValue): JsonValue {
  const [key, ...rest] = place
  if (key === undefined) return value
  if (!isJsonObject(json)) return json
  return new Map(json).set(key, replaced(json.get(key) ?? null, rest, value))
}
