import { CollectionNotFoundError } from '../chroma/errors.js'
import { UsageError } from '../core/errors.js'
import { displayName, type CollectionName } from '../core/records.js'
import { nameProblem } from './shadow-name.js'

/** Where collections go when not to where they came from. */
export interface TargetMapping {
  /** `[[tenant/]database/]name` to `[[tenant/]database/]name`, without wildcards. */
  readonly rename: ReadonlyMap<string, string>
  readonly targetTenant: string | null
  readonly targetDatabase: string | null
  /** What happens to collections, for messages; default: `restored`. */
  readonly verb?: string
}

export interface Mapped<T extends CollectionName> {
  readonly source: T
  readonly target: CollectionName
}

/**
 * The target of every collection. Throws {@link UsageError} when two would get the same name or a new name
 * is not one that Chroma takes, {@link CollectionNotFoundError} when a renamed collection is not there.
 */
export function mapTargets<T extends CollectionName>(
  sources: readonly T[],
  mapping: TargetMapping,
): readonly Mapped<T>[] {
  const renames = [...mapping.rename].map(([from, to]) => ({ from, to: namePath(from, to) }))
  const unknown = renames.filter(({ from }) => !sources.some((source) => isCalled(source, from)))
  if (unknown.length > 0)
    throw new CollectionNotFoundError(
      unknown.map(({ from }) => from),
      sources.map(displayName),
    )
  const mapped = sources.map((source) => {
    const renamed = renames.filter(({ from }) => isCalled(source, from))
    const [rename, another] = renamed
    if (rename !== undefined && another !== undefined)
      throw new UsageError(`${displayName(source)} is renamed twice: ${rename.from} and ${another.from}`)
    return { source, target: targetOf(source, mapping, rename?.to ?? []) }
  })
  refuseClashes(mapped, mapping.verb ?? 'restored')
  return mapped
}

function targetOf(source: CollectionName, mapping: TargetMapping, path: readonly string[]): CollectionName {
  const [name, database, tenant] = path.toReversed()
  return {
    tenant: tenant ?? mapping.targetTenant ?? source.tenant,
    database: database ?? mapping.targetDatabase ?? source.database,
    name: name ?? source.name,
  }
}

function isCalled({ tenant, database, name }: CollectionName, text: string): boolean {
  return text === name || text === `${database}/${name}` || text === `${tenant}/${database}/${name}`
}

function namePath(from: string, to: string): readonly string[] {
  const path = to.split('/')
  const problem =
    path.length > 3 || path.includes('') ? 'write name, database/name or tenant/database/name' : null
  const hint = problem ?? nameProblem(path.at(-1) ?? '')
  if (hint !== null) throw new UsageError(`cannot rename ${from} to "${to}"`, { hint })
  return path
}

function refuseClashes(mapped: readonly Mapped<CollectionName>[], verb: string): void {
  const taken = new Map<string, CollectionName>()
  for (const { source, target } of mapped) {
    const key = displayName(target)
    const other = taken.get(key)
    if (other !== undefined)
      throw new UsageError(
        `${displayName(other)} and ${displayName(source)} would both be ${verb} as ${key}`,
        {
          hint: 'give one of them another name with --rename',
        },
      )
    taken.set(key, source)
  }
}
