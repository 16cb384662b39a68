import { isJsonArray, isJsonObject, type JsonValue } from '../../core/json.js'
import { metadataFromJson } from '../../core/metadata-json.js'
import type { Metadata } from '../../core/metadata.js'

/** The members of a line of JSON lines, and the columns of a Parquet file. */
export const FIELDS = ['id', 'embedding', 'document', 'uri', 'metadata'] as const

export type Field = (typeof FIELDS)[number]

export function isField(name: string): name is Field {
  return FIELDS.some((field) => field === name)
}

/** A record of a file. */
export interface FileRecord {
  readonly id: string
  /** Null: there is none. */
  readonly embedding: ArrayLike<number> | null
  readonly document: string | null
  readonly uri: string | null
  readonly metadata: Metadata | null
}

/** What is wrong with a field, as the rest of a sentence that begins with its name. */
export class FieldError extends Error {}

export function textField(name: Field, value: unknown): string {
  if (typeof value === 'string') return value
  throw new FieldError(`${name} ${value === undefined ? 'is missing' : `is ${kindOf(value)}, not text`}`)
}

export function optionalTextField(name: Field, value: unknown): string | null {
  return value === undefined || value === null ? null : textField(name, value)
}

/** Metadata from JSON: an integer has no point and no exponent, a double has one. */
export function metadataField(value: JsonValue | undefined): Metadata | null {
  if (value === undefined || value === null) return null
  if (!isJsonObject(value)) throw new FieldError(`metadata is ${kindOf(value)}, not an object`)
  const metadata = metadataFromJson(value)
  if (metadata !== undefined) return metadata
  const [key = ''] =
    [...value].find(([, item]) => metadataFromJson(new Map([['', item]])) === undefined) ?? []
  throw new FieldError(
    `metadata ${JSON.stringify(key)} is neither text, a number, a boolean nor a list of one of them`,
  )
}

/** How numbers that JSON cannot express are written as text. */
const NAMED_FLOATS = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
])

export function embeddingField(value: JsonValue | undefined): Float32Array | null {
  if (value === undefined || value === null) return null
  if (!isJsonArray(value)) throw new FieldError(`embedding is ${kindOf(value)}, not a list of numbers`)
  const floats = new Float32Array(value.length)
  for (const [index, item] of value.entries()) {
    if (typeof item === 'number' || typeof item === 'bigint') {
      const float = Math.fround(Number(item))
      if (!Number.isFinite(float)) throw new FieldError(`embedding[${index}] is too large for a float32`)
      floats[index] = float
    } else {
      const named = typeof item === 'string' ? NAMED_FLOATS.get(item) : undefined
      if (named === undefined) throw new FieldError(`embedding[${index}] is ${kindOf(item)}, not a number`)
      floats[index] = named
    }
  }
  return floats
}

/** For messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : (KINDS.get(typeof value) ?? 'something else')
}

const KINDS = new Map<string, string>([
  ['string', 'text'],
  ['number', 'a number'],
  ['bigint', 'a number'],
  ['boolean', 'a boolean'],
  ['object', 'an object'],
])
