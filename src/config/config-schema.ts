import * as v from 'valibot'
import { parseDocument } from 'yaml'

import { suggestion } from '../core/suggest.js'
import { allSettings } from './catalogue.js'
import { ConfigFileError } from './errors.js'

export interface FileValue {
  readonly texts: readonly string[]
  /** Null: it stands outside of all profiles. */
  readonly profile: string | null
}

export interface FileContent {
  /** The profile that holds when none is named. */
  readonly profile: string | null
  /** What stands outside of all profiles, by key. */
  readonly values: ReadonlyMap<string, FileValue>
  readonly profiles: ReadonlyMap<string, ReadonlyMap<string, FileValue>>
}

/** Strict: an unknown key is a {@link ConfigFileError} that names it and the key that was perhaps meant. */
export function parseConfig(file: string, text: string): FileContent {
  const plain = readPlain(file, text)
  const { profile = null, profiles = {}, ...outside } = check(file, fileSchema, plain, '')
  return {
    profile,
    values: valuesIn(file, outside, null),
    profiles: new Map(
      Object.entries(profiles).map(([name, values]) => [name, valuesIn(file, values ?? {}, name)]),
    ),
  }
}

function readPlain(file: string, text: string): unknown {
  // JSON is YAML too, and this parser names the line of a mistake.
  const document = parseDocument(text)
  const [first] = document.errors
  if (first !== undefined) {
    throw new ConfigFileError(`${file} is not valid: ${first.message.split('\n', 1)[0] ?? ''}`)
  }
  const plain: unknown = document.toJS()
  if (Array.isArray(plain)) throw new ConfigFileError(`${file} is a list, not a map of settings`)
  return plain ?? {}
}

const plainValue = v.union([
  v.pipe(
    v.union([v.string(), v.number(), v.boolean()]),
    v.transform((scalar) => [String(scalar)]),
  ),
  v.array(v.string()),
])
const headers = v.pipe(
  v.record(v.string(), v.string()),
  v.transform((entries) => Object.entries(entries).map(([name, text]) => `${name}: ${text}`)),
)

const fileSchema = v.looseObject({
  profile: v.optional(v.string()),
  profiles: v.optional(v.record(v.string(), v.nullable(v.looseObject({})))),
})

/** Other names of keys. */
const ALIASES = new Map([['storage_path', 'repo']])

type Entry = typeof plainValue | typeof headers

const keys = new Map<string, Entry>(
  allSettings.flatMap(([, { key, kind }]) =>
    key === null ? [] : [[key, kind === 'map' ? headers : plainValue]],
  ),
)
const groups = new Set([...keys.keys()].flatMap((key) => (key.includes('.') ? [groupOf(key)] : [])))

function valuesIn(file: string, plain: object, profile: string | null): Map<string, FileValue> {
  const found = new Map<string, FileValue>()
  const place = profile === null ? '' : `profiles.${profile}.`
  for (const [written, item] of flat(file, plain, place)) {
    const key = ALIASES.get(written) ?? written
    if (found.has(key))
      throw new ConfigFileError(`${file}: ${place}${written} and ${place}${key} are the same`)
    const schema = keys.get(key)
    if (schema === undefined) throw unknownKey(file, place, key)
    found.set(key, { texts: check(file, schema, item, `${place}${key}`), profile })
  }
  return found
}

/** The entries with those of groups as `pool.max`. */
function flat(file: string, plain: object, place: string): [string, unknown][] {
  return Object.entries(plain).flatMap(([key, item]: [string, unknown]): [string, unknown][] => {
    if (!groups.has(key)) return [[key, item]]
    const group = check(file, v.looseObject({}), item, `${place}${key}`)
    return Object.entries(group).map(([inner, value]) => [`${key}.${inner}`, value])
  })
}

function check<const S extends v.GenericSchema>(
  file: string,
  schema: S,
  value: unknown,
  place: string,
): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  const where = [place, v.getDotPath(issue) ?? ''].filter((part) => part !== '').join('.')
  throw new ConfigFileError(`${file}: ${where === '' ? 'the file' : where}: ${expectation(issue)}`)
}

function expectation({ expected, received }: v.BaseIssue<unknown>): string {
  return `expected ${expected ?? 'something else'}, found ${received}`
}

function unknownKey(file: string, place: string, key: string): ConfigFileError {
  const known = [...keys.keys(), ...(place === '' ? ['profile', 'profiles'] : [])]
  return new ConfigFileError(`${file}: unknown key ${place}${key}`, { hint: suggestion(key, known) })
}

function groupOf(key: string): string {
  return key.slice(0, key.indexOf('.'))
}
