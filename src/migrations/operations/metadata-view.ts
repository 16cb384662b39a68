import {
  isSparseVector,
  type Metadata,
  type MetadataScalar,
  type MetadataValue,
} from '../../core/metadata.js'
import { isMetadataDouble, type MigrationMetadata, type MigrationValue } from '../record.js'
import { BadValue, checkText, describe } from './bad-value.js'

const MIN_INTEGER = -(2n ** 63n)
const MAX_INTEGER = 2n ** 63n - 1n

/** The metadata as the functions of a migration see it, a copy; null stays null. */
export function shownMetadata(metadata: Metadata | null): MigrationMetadata | null {
  return metadata === null
    ? null
    : Object.fromEntries([...metadata].map(([key, value]) => [key, shownValue(value)]))
}

/**
 * What is stored for metadata that a function gave back, `previous` being what it was shown. A value that reads
 * as it was shown keeps its type. Throws {@link BadValue} for what cannot be stored.
 */
export function storedMetadata(given: unknown, previous: Metadata | null): Metadata | null {
  if (given === null) return null
  if (!isPlainObject(given)) throw new BadValue(`metadata is ${describe(given)}`)
  const stored = new Map<string, MetadataValue>()
  const entries = new Map(Object.entries(given))
  // Keys stay in their order: an object puts those that look like numbers first.
  const keys = [...(previous?.keys() ?? []), ...entries.keys()]
  for (const key of keys) {
    if (stored.has(key) || !entries.has(key)) continue
    const known = previous?.get(key)
    if (known === undefined) checkKey(key)
    stored.set(key, storedValue(entries.get(key), known, `metadata key ${JSON.stringify(key)}`))
  }
  return stored.size === 0 ? null : stored
}

/** Whether both hold the same keys with values of the same types. */
export function sameMetadata(a: Metadata | null, b: Metadata | null): boolean {
  if (a === b) return true
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false
  return [...(a ?? [])].every(([key, value]) => {
    const other = b?.get(key)
    return other !== undefined && sameStored(value, other)
  })
}

function sameStored(a: MetadataValue, b: MetadataValue): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return Object.is(a, b)
  if (!isSparseVector(a)) return !isSparseVector(b) && sameItems(a, b)
  if (!isSparseVector(b) || !sameItems(a.indices, b.indices) || !sameItems(a.values, b.values)) return false
  return a.tokens === null || b.tokens === null ? a.tokens === b.tokens : sameItems(a.tokens, b.tokens)
}

function shownValue(value: MetadataValue): MigrationValue {
  if (typeof value !== 'object') return shownScalar(value)
  if (!isSparseVector(value)) return value.map(shownScalar)
  const { indices, values, tokens } = value
  return { indices: [...indices], values: [...values], tokens: tokens === null ? null : [...tokens] }
}

function shownScalar(value: MetadataScalar): string | boolean | number | bigint {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value
}

function storedValue(given: unknown, known: MetadataValue | undefined, what: string): MetadataValue {
  if (known !== undefined && readsAsShown(given, known)) return known
  if (Array.isArray(given)) return storedList(given, known, what)
  if (isSparse(given)) return storedSparse(given, what)
  return storedScalar(given, typeof known === 'number', what)
}

function readsAsShown(given: unknown, known: MetadataValue): boolean {
  if (typeof known !== 'object') return Object.is(given, shownScalar(known))
  if (!isSparseVector(known)) return Array.isArray(given) && sameItems(given, known.map(shownScalar))
  if (!isSparse(given)) return false
  const sameTokens =
    known.tokens === null
      ? (given.tokens ?? null) === null
      : Array.isArray(given.tokens) && sameItems(given.tokens, known.tokens)
  return sameTokens && sameItems(given.indices, known.indices) && sameItems(given.values, known.values)
}

/** `asDouble`: a whole number stays what the key held before. */
function storedScalar(given: unknown, asDouble: boolean, what: string): MetadataScalar {
  if (typeof given === 'boolean') return given
  if (typeof given === 'string') return checkText(given, what)
  if (typeof given === 'bigint') {
    if (given < MIN_INTEGER || given > MAX_INTEGER) throw new BadValue(`${what} is beyond 64 bits`)
    return given
  }
  const number = isMetadataDouble(given) ? given.value : given
  if (typeof number !== 'number')
    throw new BadValue(
      given === null || given === undefined
        ? `${what} is ${describe(given)}: leave the key out to remove it`
        : `${what} is ${describe(given)}, not a text, a number, true or false, or a list of them`,
    )
  if (!Number.isFinite(number)) throw new BadValue(`${what} is ${number}, which cannot be stored`)
  if (asDouble || isMetadataDouble(given) || !Number.isSafeInteger(number)) return number
  return BigInt(number)
}

function storedList(
  given: readonly unknown[],
  known: MetadataValue | undefined,
  what: string,
): MetadataValue {
  if (given.length === 0) throw new BadValue(`${what} is an empty list, which cannot be stored: leave it out`)
  const heldDoubles = Array.isArray(known) && typeof known[0] === 'number'
  const items = Array.from(given, (item, at) => storedScalar(item, heldDoubles, `${what}, item ${at},`))
  const types = new Set(items.map((item) => typeof item))
  // 1 and 2.5 are both numbers to JavaScript; in a list of doubles 1 is 1.0.
  if (types.size === 2 && types.has('bigint') && types.has('number') && given.every(isNumber))
    return items.map(Number)
  if (types.size > 1) throw new BadValue(`${what} is a list of mixed types: ${[...types].join(', ')}`)
  return items
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || isMetadataDouble(value)
}

interface GivenSparse {
  readonly indices: readonly unknown[]
  readonly values: readonly unknown[]
  readonly tokens?: unknown
}

function isSparse(value: unknown): value is GivenSparse {
  return (
    typeof value === 'object' &&
    value !== null &&
    'indices' in value &&
    'values' in value &&
    Array.isArray(value.indices) &&
    Array.isArray(value.values)
  )
}

function storedSparse({ indices, values, tokens }: GivenSparse, what: string): MetadataValue {
  const places = indices.filter((index) => typeof index === 'number' && Number.isInteger(index) && index >= 0)
  const weights = values.filter((value) => typeof value === 'number' && Number.isFinite(value))
  const texts = Array.isArray(tokens) ? tokens.filter((token) => typeof token === 'string') : null
  const isWhole =
    places.length === indices.length &&
    weights.length === indices.length &&
    values.length === indices.length &&
    (texts === null ? (tokens ?? null) === null : texts.length === indices.length)
  if (!isWhole) throw new BadValue(`${what} is not a proper sparse vector`)
  return { indices: places.map(Number), values: weights.map(Number), tokens: texts?.map(String) ?? null }
}

function checkKey(key: string): void {
  if (key === '') throw new BadValue('a metadata key is empty')
  if (/^(chroma:|[#$])/.test(key))
    throw new BadValue(`metadata key ${JSON.stringify(key)}: Chroma keeps keys that begin so for itself`)
  checkText(key, 'a metadata key')
}

function isPlainObject(value: unknown): value is object {
  return Object.prototype.toString.call(value) === '[object Object]'
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, at) => Object.is(item, b[at]))
}
