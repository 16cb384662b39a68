import type { ChromaApi } from '../../chroma/api.js'
import { migrationCollection } from '../../core/migration-collections.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import type { LeftAlone, Leftover, LeftoverPlace } from './leftover.js'

export interface MigrationLeftoversJob {
  readonly api: ChromaApi
  readonly tenants: readonly string[]
  /** Null: all of each tenant. */
  readonly databases: readonly string[] | null
  readonly now: () => Date
}

/**
 * What migrations have left on a server. Old locks go: their names hold their ids, so that nobody can have taken such
 * a name for something else. Collections that a dead run was building, and those that were to be kept until some day,
 * are for `migrate` to remove, which knows what they hold; they are told.
 */
export function migrationLeftovers(job: MigrationLeftoversJob): LeftoverPlace {
  const { api, now } = job
  const locks = new Map<string, CollectionDefinition>()
  return {
    async find(signal) {
      const found: Leftover[] = []
      for (const collection of await collectionsOf(job, signal)) {
        const own = migrationCollection(collection)
        if (own?.kind !== 'oldLock') continue
        const name = displayName(collection)
        locks.set(name, collection)
        found.push({ kind: 'lock', name, why: `the old lock of ${own.holder}`, bytes: null })
      }
      return found
    },
    async remove({ name }, signal) {
      const lock = locks.get(name)
      if (lock === undefined) return
      const now = await api.findCollection(lock, signal)
      if (now?.id === lock.id && migrationCollection(now)?.kind === 'oldLock')
        await api.deleteCollection(now, signal)
    },
    async leftAlone(signal) {
      const collections = await collectionsOf(job, signal)
      const locked = new Set(
        collections.filter((each) => migrationCollection(each)?.kind === 'lock').map(databaseOf),
      )
      return collections.flatMap((collection) =>
        locked.has(databaseOf(collection)) ? [] : toldOf(collection, now().getTime()),
      )
    },
  }
}

function toldOf(collection: CollectionDefinition, now: number): readonly LeftAlone[] {
  const name = displayName(collection)
  const own = migrationCollection(collection)
  if (own?.kind === 'shadow')
    return [
      {
        name,
        why: `a migration (run ${own.run}) was building it`,
        command: 'chroma-ops migrate up, to go on from there, or chroma-ops migrate abort',
      },
    ]
  if (own?.kind !== 'kept' || own.until === null || !(Date.parse(own.until) < now)) return []
  return [
    {
      name,
      why: `migration ${own.version} kept it until ${own.until}`,
      command: 'chroma-ops migrate complete --apply',
    },
  ]
}

async function collectionsOf(
  { api, tenants, databases }: MigrationLeftoversJob,
  signal: AbortSignal | undefined,
): Promise<readonly CollectionDefinition[]> {
  const collections: CollectionDefinition[] = []
  for (const tenant of tenants)
    for (const database of databases ?? (await api.listDatabases(tenant, signal)))
      collections.push(...(await api.listCollections(tenant, database, signal)))
  return collections.sort((a, b) => (displayName(a) < displayName(b) ? -1 : 1))
}

function databaseOf({ tenant, database }: CollectionDefinition): string {
  return `${tenant}/${database}`
}
