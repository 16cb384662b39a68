import type { Metadata } from './metadata.js'
import {
  DONE_LOCK_PREFIX,
  KEEP_UNTIL_KEY,
  KEPT_KEY,
  LOCK_NAME,
  STALE_LOCK_PREFIX,
  TRASH_KEY,
} from './migration-keys.js'
import { isLock, isMigrationShadow } from './own-collections.js'
import { SHADOW_KEY } from './shadow-key.js'

interface Described {
  readonly name: string
  readonly id: string
  readonly metadata: Metadata | null
}

/** What a collection of migrations is, as its name and its metadata tell. */
export type MigrationCollection =
  /** Some run migrates this database, or did and died. */
  | { readonly kind: 'lock'; readonly holder: string }
  /** The lock of a run that is over, or was taken for dead; only its removal is missing. */
  | { readonly kind: 'oldLock'; readonly holder: string }
  /** Being built by a migration. */
  | { readonly kind: 'shadow'; readonly run: string }
  /** Kept for the way back of a migration; `until` is ISO 8601, null: for ever. */
  | { readonly kind: 'kept'; readonly version: string; readonly until: string | null }

/** Null: none of these. */
export function migrationCollection(collection: Described): MigrationCollection | null {
  const { name, id } = collection
  if (isLock(collection)) {
    const holder = holderOf(collection)
    if (name === LOCK_NAME) return { kind: 'lock', holder }
    const isOld = name === `${STALE_LOCK_PREFIX}${id}` || name === `${DONE_LOCK_PREFIX}${id}`
    return isOld ? { kind: 'oldLock', holder } : null
  }
  if (isMigrationShadow(collection)) return { kind: 'shadow', run: text(collection, SHADOW_KEY) }
  const version = text(collection, KEPT_KEY) || text(collection, TRASH_KEY)
  if (version === '') return null
  return { kind: 'kept', version, until: text(collection, KEEP_UNTIL_KEY) || null }
}

/** `ada on host-1 (pid 4711, run 5f3a), at: docs: copying`. */
function holderOf(lock: Described): string {
  const pid = lock.metadata?.get('pid')
  const phase = text(lock, 'phase')
  const who = `${text(lock, 'owner')} on ${text(lock, 'host')} (pid ${typeof pid === 'bigint' ? pid : '?'}, run ${text(lock, 'run')})`
  return phase === '' ? who : `${who}, at: ${phase}`
}

function text({ metadata }: Described, key: string): string {
  const value = metadata?.get(key)
  return typeof value === 'string' ? value : ''
}
