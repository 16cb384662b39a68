import * as v from 'valibot'

import { BlobNotFoundError } from '../storage/blob-store.js'
import { decodeDocument } from './documents.js'
import { DocumentDamagedError } from './errors.js'
import { LEASE_KEY } from './maintenance-lease.js'
import type { Repository } from './repository.js'

/** Who maintains a repository: removes backups, or puts them back. */
export interface Maintenance {
  /** `prune`. */
  readonly task: string
  readonly actor: string
  readonly host: string
  /** ISO 8601. */
  readonly heartbeat: string
  /** Since its last sign of life, by the store's clock. */
  readonly silentMs: number
}

const schema = v.object({
  owner: v.nullable(v.string()),
  task: v.string(),
  actor: v.string(),
  host: v.string(),
  heartbeat: v.string(),
})

/** Null: nobody. Rejects with a DocumentDamagedError. */
export async function readMaintenance(
  repository: Repository,
  signal?: AbortSignal,
): Promise<Maintenance | null> {
  const { store } = repository
  try {
    const { bytes } = await store.get(LEASE_KEY, { signal })
    const parsed = v.safeParse(schema, decodeDocument(repository, 'lease', LEASE_KEY, bytes))
    if (!parsed.success) throw new DocumentDamagedError(LEASE_KEY, 'is not a lease')
    const { owner, ...facts } = parsed.output
    if (owner === null) return null
    const { modified } = await store.stat(LEASE_KEY, signal)
    const now = await store.storeTime(signal)
    return { ...facts, silentMs: Math.max(0, now.getTime() - modified.getTime()) }
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    throw error
  }
}
