import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../core/json.js'
import { metadataFromJson, metadataToJson } from '../core/metadata-json.js'
import type { CollectionDefinition, CollectionName } from '../core/records.js'
import { expectName } from './answers.js'
import { ChromaGarbledAnswerError } from './errors.js'

/** A collection as `GET …/collections` describes it. Throws {@link ChromaGarbledAnswerError}. */
export function definitionFromWire(json: JsonValue): CollectionDefinition {
  const object = isJsonObject(json) ? json : new Map<string, JsonValue>()
  const dimension = object.get('dimension') ?? null
  const metadata = metadataFromJson(object.get('metadata') ?? null)
  if (dimension !== null && typeof dimension !== 'bigint') throw garbled('dimension')
  if (metadata === undefined) throw garbled('metadata')
  return {
    tenant: text(object, 'tenant'),
    database: text(object, 'database'),
    name: text(object, 'name'),
    id: text(object, 'id'),
    metadata,
    configuration: object.get('configuration_json') ?? null,
    schema: object.get('schema') ?? null,
    dimension: dimension === null ? null : Number(dimension),
  }
}

/** Reads the definition of one collection; that of another one is a garbled answer. */
export function definitionOf({ name }: CollectionName): (json: JsonValue) => CollectionDefinition {
  return (json) => {
    expectName(json, name)
    return definitionFromWire(json)
  }
}

export function definitionsFromWire(json: JsonValue): CollectionDefinition[] {
  if (!isJsonArray(json)) throw new ChromaGarbledAnswerError('the list of collections is not an array')
  return json.map(definitionFromWire)
}

/** The same shape as the server's, so that {@link definitionFromWire} reads it back without loss. */
export function definitionToWire(definition: CollectionDefinition): JsonObject {
  const { id, name, tenant, database, metadata, configuration, schema, dimension } = definition
  return new Map<string, JsonValue>([
    ['id', id],
    ['name', name],
    ['tenant', tenant],
    ['database', database],
    ['metadata', metadata === null ? null : metadataToJson(metadata)],
    ['configuration_json', configuration],
    ['schema', schema],
    ['dimension', dimension === null ? null : BigInt(dimension)],
  ])
}

function text(object: JsonObject, key: string): string {
  const value = object.get(key)
  if (typeof value !== 'string') throw garbled(key)
  return value
}

function garbled(key: string): ChromaGarbledAnswerError {
  return new ChromaGarbledAnswerError(`a collection without a proper "${key}"`)
}
