import { isJsonArray, isJsonObject, stringifyJson, type JsonValue } from '../core/json.js'

export interface JsonDifference {
  /** Keys, joined by points. */
  readonly path: string
  /** JSON texts. */
  readonly wanted: string
  readonly actual: string
}

/**
 * Where `actual` does not have what `wanted` has. Members that only `actual` has are no difference, nor is a
 * missing member where null was wanted.
 */
export function jsonDifferences(
  wanted: JsonValue,
  actual: JsonValue | undefined,
  path = '',
): JsonDifference[] {
  if (isJsonObject(wanted) && isJsonObject(actual)) {
    return [...wanted].flatMap(([key, value]) =>
      jsonDifferences(value, actual.get(key), path === '' ? key : `${path}.${key}`),
    )
  }
  if (isJsonArray(wanted) && actual !== undefined && isJsonArray(actual) && wanted.length === actual.length) {
    return wanted.flatMap((value, index) => jsonDifferences(value, actual[index], `${path}.${index}`))
  }
  const texts = { wanted: stringifyJson(wanted), actual: stringifyJson(actual ?? null) }
  return texts.wanted === texts.actual ? [] : [{ path, ...texts }]
}
