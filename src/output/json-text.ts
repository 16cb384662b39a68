/**
 * JSON text of a result: integers beyond 2^53 become strings, dates ISO 8601, maps objects, sets lists, NaN
 * and infinities null. Fields that are undefined are left out.
 */
export function jsonText(value: unknown, indent = 0): string {
  return JSON.stringify(value, replace, indent)
}

function replace(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  return value
}
