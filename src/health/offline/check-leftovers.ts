import { migrationCollection } from '../../core/migration-collections.js'
import { isMigrationShadow, isShadow } from '../../core/own-collections.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import type { Observation } from './catalogue.js'

/** What restores and migrations have left in a directory. `now` in milliseconds since 1970, for what is kept. */
export function leftoverObservations(
  collections: readonly CollectionDefinition[],
  now: number,
): readonly Observation[] {
  return collections.flatMap((collection): Observation[] => {
    const name = displayName(collection)
    if (isShadow(collection) && !isMigrationShadow(collection))
      return [{ id: 'RESTORE_UNFINISHED', collection, evidence: `${name} was being built` }]
    const own = migrationCollection(collection)
    switch (own?.kind) {
      case undefined:
        return []
      case 'lock':
        return [{ id: 'MIGRATION_LOCKED', collection, evidence: `it is held by ${own.holder}` }]
      case 'oldLock':
        return [{ id: 'MIGRATION_LOCK_LEFT', collection, evidence: `it was held by ${own.holder}` }]
      case 'shadow':
        return [{ id: 'MIGRATION_UNFINISHED', collection, evidence: `${name} was built by run ${own.run}` }]
      case 'kept':
        if (own.until === null || !(Date.parse(own.until) < now)) return []
        return [
          {
            id: 'MIGRATION_KEPT_TOO_LONG',
            collection,
            evidence: `${name} was kept by migration ${own.version} until ${own.until}`,
          },
        ]
    }
  })
}
