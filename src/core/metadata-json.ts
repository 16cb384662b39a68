import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from './json.js'
import { isSparseVector, type Metadata, type MetadataScalar, type MetadataValue } from './metadata.js'

const MIN_INTEGER = -(2n ** 63n)
const MAX_INTEGER = 2n ** 63n - 1n
const TYPE_KEY = '#type'
const SPARSE_TYPE = 'sparse_vector'

/** Metadata as JSON whose text keeps every type apart; integers are whole, doubles have a point. */
export function metadataToJson(metadata: Metadata): JsonObject {
  return new Map([...metadata].map(([key, value]) => [key, valueToJson(value)]))
}

/**
 * The metadata in a JSON object; null for null and for `{}`, which Chroma does not tell apart. A member
 * that is null is absent, an integer beyond 64 bits is a double, as on a server. Undefined when the JSON is
 * not metadata at all.
 */
export function metadataFromJson(json: JsonValue): Metadata | null | undefined {
  if (json === null) return null
  if (!isJsonObject(json)) return undefined
  const metadata = new Map<string, MetadataValue>()
  for (const [key, item] of json) {
    if (item === null) continue
    const value = metadataValueFromJson(item)
    if (value === undefined) return undefined
    metadata.set(key, value)
  }
  return metadata.size === 0 ? null : metadata
}

/** Undefined when the JSON is not a metadata value. */
export function metadataValueFromJson(json: JsonValue): MetadataValue | undefined {
  if (isJsonObject(json)) return sparseVectorFromJson(json)
  if (!isJsonArray(json)) return scalarFromJson(json)
  const list = json.map(scalarFromJson)
  const scalars = list.filter((item) => item !== undefined)
  return scalars.length === list.length ? scalars : undefined
}

/** An integer as Chroma keeps it: one beyond 64 bits becomes a double. */
export function chromaInteger(value: bigint): bigint | number {
  return value >= MIN_INTEGER && value <= MAX_INTEGER ? value : Number(value)
}

function scalarFromJson(json: JsonValue): MetadataScalar | undefined {
  if (typeof json === 'bigint') return chromaInteger(json)
  if (typeof json === 'string' || typeof json === 'boolean' || typeof json === 'number') return json
  return undefined
}

function sparseVectorFromJson(json: JsonObject): MetadataValue | undefined {
  if (json.get(TYPE_KEY) !== SPARSE_TYPE) return undefined
  const indices = numbersOf(json.get('indices'))
  const values = numbersOf(json.get('values'))
  const tokens = json.get('tokens') ?? null
  if (indices === undefined || values?.length !== indices.length) return undefined
  if (tokens === null) return { indices, values, tokens }
  if (!isJsonArray(tokens)) return undefined
  const texts = tokens.filter((token) => typeof token === 'string')
  return texts.length === indices.length ? { indices, values, tokens: texts } : undefined
}

function numbersOf(json: JsonValue | undefined): number[] | undefined {
  if (json === undefined || !isJsonArray(json)) return undefined
  const numbers = json.filter((item) => typeof item === 'number' || typeof item === 'bigint').map(Number)
  return numbers.length === json.length ? numbers : undefined
}

function valueToJson(value: MetadataValue): JsonValue {
  if (typeof value !== 'object') return value
  if (!isSparseVector(value)) return value
  const json = new Map<string, JsonValue>([
    [TYPE_KEY, SPARSE_TYPE],
    ['indices', value.indices.map((index) => BigInt(index))],
    ['values', value.values],
  ])
  if (value.tokens !== null) json.set('tokens', value.tokens)
  return json
}
