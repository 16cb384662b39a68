import { isJsonArray, type JsonObject } from '../core/json.js'
import { metadataValueFromJson } from '../core/metadata-json.js'
import type { Metadata, MetadataValue } from '../core/metadata.js'
import { maxSeqIdOf } from './seq-id.js'
import type { Database } from './sqlite.js'
import { walRows, type WalRow } from './wal.js'

/** What the log still does to a record. */
export interface PendingRecord {
  /** It is not among the stored ones: it is new, or comes again after it was deleted. */
  readonly added: boolean
  readonly document?: string | null
  readonly uri?: string | null
  /** A value of null takes the key away. */
  readonly metadata: ReadonlyMap<string, MetadataValue | null>
}

/** What the log does to the stored records of a collection, as the server does it when it comes to them. */
export interface PendingWrites {
  /** Stored records that go. */
  readonly deleted: ReadonlySet<string>
  /** In the order in which new records come. */
  readonly changed: ReadonlyMap<string, PendingRecord>
}

const NONE: PendingWrites = { deleted: new Set(), changed: new Map() }

/**
 * Operations that were accepted and logged, but not yet applied to the tables when the server ended: usually
 * none, at most those of the last requests. In memory.
 */
export function pendingWrites(database: Database, collectionId: string, segmentId: string): PendingWrites {
  const applied = maxSeqIdOf(database, segmentId) ?? 0n
  let replay: Replay | undefined
  for (const row of walRows(database, collectionId, applied)) {
    replay ??= new Replay(database, segmentId)
    replay.apply(row)
  }
  return replay ?? NONE
}

class Replay implements PendingWrites {
  readonly deleted = new Set<string>()
  readonly changed = new Map<string, PendingRecord>()
  readonly #database: Database
  readonly #segmentId: string

  constructor(database: Database, segmentId: string) {
    this.#database = database
    this.#segmentId = segmentId
  }

  apply({ operation, id, metadata }: WalRow): void {
    const exists = this.#exists(id)
    switch (operation) {
      case 'add':
      case 'upsert':
        if (exists && operation === 'add') return
        this.changed.set(id, merged(this.changed.get(id), metadata, !exists))
        return
      case 'update':
        if (exists) this.changed.set(id, merged(this.changed.get(id), metadata, false))
        return
      case 'delete':
        if (!exists) return
        if (this.#isStored(id)) this.deleted.add(id)
        this.changed.delete(id)
        return
      case 'other':
    }
  }

  #exists(id: string): boolean {
    return this.changed.has(id) || (this.#isStored(id) && !this.deleted.has(id))
  }

  #isStored(id: string): boolean {
    return (
      this.#database.get(
        'SELECT id FROM embeddings WHERE segment_id = ? AND embedding_id = CAST(? AS TEXT)',
        this.#segmentId,
        Buffer.from(id),
      ) !== undefined
    )
  }
}

function merged(before: PendingRecord | undefined, json: JsonObject | null, added: boolean): PendingRecord {
  const metadata = new Map(before?.metadata)
  let [document, uri] = [before?.document, before?.uri]
  for (const [key, item] of json ?? []) {
    if (key === 'chroma:document') document = typeof item === 'string' ? item : null
    else if (key === 'chroma:uri') uri = typeof item === 'string' ? item : null
    else if (!key.startsWith('chroma:')) {
      const empty = item === null || (isJsonArray(item) && item.length === 0)
      metadata.set(key, empty ? null : (metadataValueFromJson(item) ?? null))
    }
  }
  return {
    added: before?.added ?? added,
    metadata,
    ...(document === undefined ? {} : { document }),
    ...(uri === undefined ? {} : { uri }),
  }
}

/** The metadata of a record after its pending changes. */
export function withPending(metadata: Metadata | null, pending: PendingRecord): Metadata | null {
  const result = new Map(metadata)
  for (const [key, value] of pending.metadata) {
    if (value === null) result.delete(key)
    else result.set(key, value)
  }
  return result.size === 0 ? null : result
}
