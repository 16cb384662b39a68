import type { Metadata } from './metadata.js'
import {
  KEPT_KEY,
  LEDGER_KEY,
  LOCK_KEY,
  LOCK_NAME,
  STATE_KEY,
  STATE_NAME,
  TRASH_KEY,
} from './migration-keys.js'
import { SHADOW_KEY } from './shadow-key.js'

interface Named {
  readonly name: string
  readonly metadata: Metadata | null
}

/** A collection that chroma-ops is still building, for a restore or for a migration. */
export function isShadow({ metadata }: Pick<Named, 'metadata'>): boolean {
  return metadata?.has(SHADOW_KEY) ?? false
}

/** A shadow that a migration builds: only the run that continues the migration may touch it. */
export function isMigrationShadow(collection: Named): boolean {
  return isShadow(collection) && /\.migrate-[0-9a-f]{8}$/.test(collection.name)
}

/** The lock of migrations, or what is left of an old one. */
export function isLock({ name, metadata }: Named): boolean {
  return (name === LOCK_NAME || name.startsWith(`${LOCK_NAME}.`)) && (metadata?.has(LOCK_KEY) ?? false)
}

/** What a migration remembers of the records that it has copied. */
export function isLedger({ metadata }: Pick<Named, 'metadata'>): boolean {
  return metadata?.has(LEDGER_KEY) ?? false
}

/** Not the user's, and worth nothing to anybody else: never listed, backed up, restored or counted. */
export function isHousekeeping(collection: Named): boolean {
  return isShadow(collection) || isLock(collection) || isLedger(collection)
}

/**
 * Names to choose from, for whoever has named a collection that is not there: without what only chroma-ops
 * itself has a use for.
 */
export function namesToChoose(collections: readonly Named[]): readonly string[] {
  return collections
    .filter((each) => !isHousekeeping(each) && ownLabel(each) !== 'migration state')
    .map(({ name }) => name)
}

/** What else migrations keep. It is backed up like the user's own, and labelled where collections are listed. */
export type OwnLabel = 'migration state' | 'kept' | 'trash'

/** Null: a collection of the user's. */
export function ownLabel({ name, metadata }: Named): OwnLabel | null {
  if (name === STATE_NAME && metadata?.has(STATE_KEY) === true) return 'migration state'
  if (metadata?.has(KEPT_KEY) === true) return 'kept'
  if (metadata?.has(TRASH_KEY) === true) return 'trash'
  return null
}

/** The same by the name alone, where the metadata is not at hand. */
export function ownLabelOfName(name: string): OwnLabel | null {
  if (name === STATE_NAME) return 'migration state'
  const [, kind] = /\.(old|trash)-[0-9a-f]{8}$/.exec(name) ?? []
  if (kind === undefined) return null
  return kind === 'old' ? 'kept' : 'trash'
}
