import { UsageError } from './errors.js'
import type { CollectionName } from './records.js'

/** Says which collections are meant: `[[tenant/]database/]name`, each part with `*` and `?` as wildcards. */
export interface CollectionPattern {
  readonly text: string
  /** Without wildcards it names one collection (per database), and it is an error when that is not there. */
  readonly literal: boolean
  matches(name: CollectionName): boolean
}

/** Throws {@link UsageError}. */
export function parseCollectionPattern(text: string): CollectionPattern {
  const parts = text.split('/')
  if (parts.length > 3 || parts.includes('')) {
    throw new UsageError(`"${text}" does not name a collection`, {
      hint: 'write name, database/name or tenant/database/name; * and ? are wildcards',
    })
  }
  const [name, database, tenant] = parts.reverse().map(globExpression)
  return {
    text,
    literal: !/[*?]/.test(text),
    matches: (candidate) =>
      (name?.test(candidate.name) ?? false) &&
      (database?.test(candidate.database) ?? true) &&
      (tenant?.test(candidate.tenant) ?? true),
  }
}

/** What a run was asked to take: all of `include` (everything when empty) that no pattern of `exclude` matches. */
export interface CollectionSelection {
  readonly include: readonly CollectionPattern[]
  readonly exclude: readonly CollectionPattern[]
}

export function selectCollections<T extends CollectionName>(
  candidates: readonly T[],
  { include, exclude }: CollectionSelection,
): readonly T[] {
  return candidates.filter(
    (candidate) =>
      (include.length === 0 || include.some((pattern) => pattern.matches(candidate))) &&
      !exclude.some((pattern) => pattern.matches(candidate)),
  )
}

/** Patterns that match none of the candidates. */
export function unmatchedPatterns(
  patterns: readonly CollectionPattern[],
  candidates: readonly CollectionName[],
): readonly CollectionPattern[] {
  return patterns.filter((pattern) => !candidates.some((candidate) => pattern.matches(candidate)))
}

function globExpression(glob: string): RegExp {
  const source = glob.replaceAll(/[\\^$.*+?()[\]{}|]/g, (character) => {
    if (character === '*') return '.*'
    return character === '?' ? '.' : `\\${character}`
  })
  return new RegExp(`^${source}$`, 'su')
}
