import { migrationCollection } from '../core/migration-collections.js'
import { isMigrationShadow, isShadow } from '../core/own-collections.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import { collectionFinding, shellWord } from './findings.js'
import type { HealthFinding } from './report.js'

/**
 * What restores and migrations have left, or are at work on; nobody else sees most of it. `now` in milliseconds since
 * 1970, for what is kept until some day.
 */
export function checkLeftovers(
  collections: readonly CollectionDefinition[],
  url: string,
  now: number,
): readonly HealthFinding[] {
  const locked = new Set(
    collections.filter((each) => migrationCollection(each)?.kind === 'lock').map(databaseOf),
  )
  return collections.flatMap((collection) => {
    const target = `--tenant ${shellWord(collection.tenant)} --database ${shellWord(collection.database)} --url ${shellWord(url)}`
    if (isShadow(collection) && !isMigrationShadow(collection)) return [ofRestore(collection)]
    return ofMigration(collection, target, locked.has(databaseOf(collection)), now)
  })
}

function ofRestore(shadow: CollectionDefinition): HealthFinding {
  return collectionFinding(shadow, {
    id: 'RESTORE_UNFINISHED',
    severity: 'info',
    evidence: `${displayName(shadow)} was being built by a restore`,
    consequence: 'It takes space and is not the collection that it is to become.',
    advice: 'if no restore and no copy is running, run the same command again: it goes on where it stopped',
    command: null,
  })
}

function ofMigration(
  collection: CollectionDefinition,
  target: string,
  isLocked: boolean,
  now: number,
): readonly HealthFinding[] {
  const name = displayName(collection)
  const own = migrationCollection(collection)
  const info = (text: Omit<HealthFinding, 'collection' | 'severity'>) => [
    collectionFinding(collection, { severity: 'info', ...text }),
  ]
  switch (own?.kind) {
    case undefined:
      return []
    case 'lock':
      return info({
        id: 'MIGRATION_LOCKED',
        evidence: `${own.holder} holds the lock of migrations`,
        consequence:
          'Others wait until it has finished; when it is dead, the next one replaces it by itself.',
        advice: 'see what it is at',
        command: `chroma-ops migrate status ${target}`,
      })
    case 'oldLock':
      return info({
        id: 'MIGRATION_LOCK_LEFT',
        evidence: `${name} is the old lock of ${own.holder}`,
        consequence: 'It is empty and stops nobody.',
        advice: 'the next migration removes it; so does cleanup runs',
        command: `chroma-ops cleanup runs --apply ${target}`,
      })
    case 'shadow':
      return info({
        id: 'MIGRATION_UNFINISHED',
        evidence: isLocked
          ? `${name} is being built by a migration (run ${own.run})`
          : `${name} was being built by a migration (run ${own.run}) that is not running any more`,
        consequence: 'It takes space and is not the collection that it is to become.',
        advice: isLocked
          ? 'see how far it is'
          : 'see where it stopped; "migrate up" goes on from there, "migrate abort" leaves the source as it was',
        command: `chroma-ops migrate status ${target}`,
      })
    case 'kept':
      if (own.until === null || !(Date.parse(own.until) < now)) return []
      return info({
        id: 'MIGRATION_KEPT_TOO_LONG',
        evidence: `${name} was kept by migration ${own.version} until ${own.until}`,
        consequence: 'It takes space.',
        advice: 'remove it; there is no way back behind that migration then',
        command: `chroma-ops migrate complete --apply ${target}`,
      })
  }
}

function databaseOf({ tenant, database }: CollectionDefinition): string {
  return `${tenant}/${database}`
}
