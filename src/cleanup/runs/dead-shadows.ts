import type { ChromaApi } from '../../chroma/api.js'
import { sleep } from '../../core/abort.js'
import { isMigrationShadow, isShadow } from '../../core/own-collections.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import { replacedBy } from '../../transfer/shadow.js'
import type { Leftover, LeftoverPlace } from './leftover.js'

export interface DeadShadowsJob {
  readonly api: ChromaApi
  readonly tenants: readonly string[]
  /** Null: all of each tenant. */
  readonly databases: readonly string[] | null
  /** How long they are watched: the one that grows meanwhile belongs to a restore that is at work. */
  readonly watchMs: number
}

/**
 * Collections that a restore was building when it was killed. One that was about to replace a collection is
 * left alone: the live name may be gone, and only the same restore knows how to finish.
 */
export function deadShadows(job: DeadShadowsJob): LeftoverPlace {
  const { api, watchMs } = job
  const found = new Map<string, CollectionDefinition>()
  return {
    async find(signal) {
      const shadows = (await shadowsOf(job, signal)).filter((shadow) => replacedBy(shadow) === null)
      if (shadows.length === 0) return []
      const before = await countsOf(api, shadows, signal)
      await sleep(watchMs, signal)
      const still = new Set((await shadowsOf(job, signal)).map(({ id }) => id))
      const left = shadows.filter(({ id }) => still.has(id))
      const after = await countsOf(api, left, signal)
      const leftovers: Leftover[] = []
      for (const shadow of left) {
        if (before.get(shadow.id) !== after.get(shadow.id)) continue
        const name = displayName(shadow)
        found.set(name, shadow)
        const records = after.get(shadow.id) ?? 0
        const why = `a restore was building it; its ${records} records did not grow in ${watchMs} ms`
        leftovers.push({ kind: 'shadow', name, why, bytes: null })
      }
      return leftovers
    },
    async remove({ name }, signal) {
      const shadow = found.get(name)
      if (shadow === undefined) return
      const now = await api.findCollection(shadow, signal)
      // Deleting goes by name: it must still be the same one, and still be a shadow.
      if (now?.id === shadow.id && isOfRestore(now)) await api.deleteCollection(now, signal)
    },
  }
}

async function shadowsOf(
  { api, tenants, databases }: DeadShadowsJob,
  signal: AbortSignal | undefined,
): Promise<readonly CollectionDefinition[]> {
  const shadows: CollectionDefinition[] = []
  for (const tenant of tenants)
    for (const database of databases ?? (await api.listDatabases(tenant, signal)))
      shadows.push(...(await api.listCollections(tenant, database, signal)).filter(isOfRestore))
  return shadows
}

/** A migration's shadow may hold what was paid for, and only its run can tell whether it is in the midst of a swap. */
function isOfRestore(collection: CollectionDefinition): boolean {
  return isShadow(collection) && !isMigrationShadow(collection)
}

async function countsOf(
  api: ChromaApi,
  collections: readonly CollectionDefinition[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const collection of collections) counts.set(collection.id, await api.count(collection, signal))
  return counts
}
