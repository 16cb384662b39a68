import { booleanOf, nonEmpty } from './values.js'

/** Where a value came from. */
export type Source =
  | { readonly from: 'flag'; readonly name: string }
  | { readonly from: 'environment'; readonly name: string }
  | FileSource
  | { readonly from: 'default' }

export interface FileSource {
  readonly from: 'file'
  readonly path: string
  /** Null: the value stands outside of all profiles. */
  readonly profile: string | null
  readonly key: string
  /** False: somebody else could have written the file. */
  readonly trusted: boolean
}

/** For messages and `config show`: `--url`, `CHROMA_OPS_URL`, `chroma-ops.config.yaml: profiles.prod.url`. */
export function sourceText(source: Source): string {
  if (source.from === 'default') return 'default'
  if (source.from !== 'file') return source.name
  const place = source.profile === null ? source.key : `profiles.${source.profile}.${source.key}`
  return `${source.path}: ${place}`
}

/** Flags are stronger than the environment, which is stronger than the file. */
export function strength(source: Source): number {
  return { default: 0, file: 1, environment: 2, flag: 3 }[source.from]
}

/** One thing that can be set, and how. */
export interface Setting<T> {
  /** As the command line shows it: `--connect-timeout <duration>`; null: cannot be a flag. */
  readonly flags: string | null
  readonly description: string
  /** Environment variables, the first that is set wins. */
  readonly environment: readonly string[]
  /** Any text in the environment counts as true, as `NO_COLOR` wants it. */
  readonly presence: boolean
  /** Key in the configuration file, `pool.max` for one in a group; null: cannot be there. */
  readonly key: string | null
  readonly kind: 'value' | 'switch' | 'list' | 'map'
  /** A relative path, which counts from the folder of the file that it stands in. */
  readonly path: boolean
  /** Its value must never be shown. */
  readonly secret: boolean
  readonly fallback: T
  /** The fallback as a user would write it; null: none. */
  readonly fallbackText: string | null
  /** Throws a UsageError without the setting's name. */
  readonly read: (texts: readonly string[]) => T
}

interface Common {
  readonly flags?: string
  readonly description: string
  readonly environment?: string | readonly string[]
  readonly key?: string
  readonly path?: boolean
  readonly secret?: boolean
  /** What holds when it is not set, for a setting whose default another folder knows. */
  readonly defaultElsewhere?: string
}

/** A setting that is null unless it is set. */
export function value<T>(parse: (text: string) => T, common: Common): Setting<T | null> {
  return { ...complete(common), kind: 'value', fallback: null, read: ([text = '']) => parse(text) }
}

export function valueOr<T>(fallbackText: string, parse: (text: string) => T, common: Common): Setting<T> {
  const fallback = parse(fallbackText)
  return { ...complete(common), kind: 'value', fallback, fallbackText, read: ([text = '']) => parse(text) }
}

export function toggle(common: Common & { readonly presence?: boolean }): Setting<boolean> {
  return {
    ...complete(common),
    presence: common.presence ?? false,
    kind: 'switch',
    fallback: false,
    read: ([text = '']) => booleanOf(text),
  }
}

/** A flag that can be repeated; a list in the file. */
export function list(common: Common): Setting<readonly string[]> {
  return { ...complete(common), kind: 'list', fallback: [], read: (texts) => texts.map(nonEmpty) }
}

/** A flag `name: value` that can be repeated; a map in the file. */
export function map(common: Common): Setting<readonly string[]> {
  return { ...list(common), kind: 'map' }
}

function complete({
  flags,
  description,
  environment = [],
  key,
  path = false,
  secret = false,
  defaultElsewhere,
}: Common) {
  return {
    flags: flags ?? null,
    description,
    environment: typeof environment === 'string' ? [environment] : environment,
    presence: false,
    fallbackText: defaultElsewhere ?? null,
    key: key ?? null,
    path,
    secret,
  }
}
