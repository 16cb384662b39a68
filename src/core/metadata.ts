/**
 * A metadata value with the types that Chroma keeps apart. A `bigint` is an integer (64 bits, signed), a
 * `number` is a double: `1n` is Chroma's `1` and `1` is Chroma's `1.0`.
 */
export type MetadataScalar = string | boolean | bigint | number

/** A list holds values of one type (Chroma 1.5 and newer). */
export type MetadataValue = MetadataScalar | readonly MetadataScalar[] | SparseVector

/** Chroma Cloud only; a local server refuses it. */
export interface SparseVector {
  readonly indices: readonly number[]
  readonly values: readonly number[]
  readonly tokens: readonly string[] | null
}

/**
 * A `Map`, not an object: keys such as `__proto__` are data, and keys that look like numbers keep their
 * place. Never empty in a {@link RecordBatch}: Chroma does not tell `{}` from null.
 */
export type Metadata = ReadonlyMap<string, MetadataValue>

export function isSparseVector(value: MetadataValue): value is SparseVector {
  return typeof value === 'object' && 'indices' in value
}
