import type { CollectionName } from '../core/records.js'
import type { BackupReference } from './state/row.js'

/** Filled by the commands and `src/index.ts`: migrations do not import backups. */
export interface BackupBeforeChange {
  /** Rejects when no backup could be made now: no repository, no right to write, no room. Changes nothing. */
  check(signal: AbortSignal): Promise<void>
  /** A verified backup of these collections. */
  create(collections: readonly CollectionName[], signal: AbortSignal): Promise<BackupReference>
  /** Brings back one collection under its own name, through a shadow; what is there is kept under `.replaced-…`. */
  restore(reference: BackupReference, collection: CollectionName, signal: AbortSignal): Promise<void>
}
