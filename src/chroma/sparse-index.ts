import { isJsonArray, isJsonObject, type JsonValue } from '../core/json.js'

const SPARSE_INDEX = 'sparse_vector_index'

/** The schema with every index of sparse vectors switched off, as a single node needs it. */
export function withoutSparseIndexes(schema: JsonValue): JsonValue {
  if (isJsonArray(schema)) return schema.map(withoutSparseIndexes)
  if (!isJsonObject(schema)) return schema
  return new Map(
    [...schema].map(([key, value]) => [
      key,
      key === SPARSE_INDEX && isJsonObject(value)
        ? new Map<string, JsonValue>([...value, ['enabled', false]])
        : withoutSparseIndexes(value),
    ]),
  )
}
