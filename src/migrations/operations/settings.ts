import { jsonDifferences, type JsonDifference } from '../../chroma/json-differences.js'
import { fromPlain, isJsonObject, toPlain, type JsonObject, type JsonValue } from '../../core/json.js'
import type { CollectionDefinition } from '../../core/records.js'
import { MigrationError } from '../migration-error.js'

const VECTOR_INDEX = ['keys', '#embedding', 'float_list', 'vector_index', 'config']

/** Settings as JSON. Throws a {@link MigrationError} for what is none. */
export function settingsOf(name: string, given: unknown): JsonObject {
  let json: JsonValue
  try {
    json = fromPlain(given)
  } catch {
    json = null
  }
  if (isJsonObject(json)) return json
  throw new MigrationError(
    'OPERATION_REFUSED',
    `configuration of ${name}: it must be an object of plain data`,
  )
}

/** Where the collection does not have the settings that were asked for. */
export function differentSettings(wanted: JsonObject, collection: CollectionDefinition): JsonDifference[] {
  return jsonDifferences(evened(wanted), evened(settingsIn(collection)))
}

/** The values that the collection has now for the settings in `wanted`. */
export function currentSettings(wanted: JsonObject, collection: CollectionDefinition): JsonObject {
  return picked(wanted, settingsIn(collection))
}

/** The configuration together with what only the schema tells (`num_threads`, `batch_size`). */
function settingsIn({ configuration, schema }: CollectionDefinition): JsonObject {
  const config = isJsonObject(configuration) ? configuration : new Map<string, JsonValue>()
  let index: JsonValue | undefined = schema
  for (const key of VECTOR_INDEX) index = isJsonObject(index) ? index.get(key) : undefined
  const known = isJsonObject(index) ? index : new Map<string, JsonValue>()
  const merged = ['hnsw', 'spann'].map((kind): [string, JsonValue] => {
    const [inSchema, inConfiguration] = [known.get(kind), config.get(kind)]
    const members = [inSchema, inConfiguration].flatMap((part) => (isJsonObject(part) ? [...part] : []))
    return [kind, members.length === 0 ? null : new Map(members)]
  })
  return new Map([...config, ...merged])
}

function picked(wanted: JsonObject, from: JsonObject): JsonObject {
  return new Map(
    [...wanted].map(([key, value]): [string, JsonValue] => {
      const current = from.get(key) ?? null
      const isGroup = isJsonObject(value) && isJsonObject(current) && key !== 'embedding_function'
      return [key, isGroup ? picked(value, current) : current]
    }),
  )
}

/** 1 and 1.0 are the same setting. */
function evened(json: JsonValue): JsonValue {
  return fromPlain(toPlain(json))
}
