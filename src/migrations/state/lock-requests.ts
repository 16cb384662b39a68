import { ChromaConflictError, ChromaNotFoundError, CollectionNotFoundError } from '../../chroma/errors.js'
import type { ChromaApi, CollectionRef } from '../../chroma/api.js'
import { collectionPath } from '../../chroma/api-path.js'
import { stringifyJson, type JsonValue } from '../../core/json.js'
import { metadataToJson } from '../../core/metadata-json.js'
import { DONE_LOCK_PREFIX, LOCK_NAME, STALE_LOCK_PREFIX } from '../../core/migration-keys.js'
import { isLock } from '../../core/own-collections.js'
import type { CollectionDefinition } from '../../core/records.js'
import { lockInfo, lockMetadata, type LockFacts, type LockInfo } from './lock-info.js'

export interface LockPlace {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
}

/** Null: nobody holds it. */
export async function findLock(place: LockPlace, signal?: AbortSignal): Promise<LockInfo | null> {
  const { api, tenant, database } = place
  const found = await api.findCollection({ tenant, database, name: LOCK_NAME }, signal)
  return found === undefined ? null : lockInfo(found)
}

/**
 * Creating a collection is an atomic put-if-absent. Null: somebody else holds the lock. The answer may have got
 * lost, so that what is found is another one's: the token tells.
 */
export async function createLock(
  place: LockPlace,
  facts: LockFacts,
  signal: AbortSignal | undefined,
): Promise<LockInfo | null> {
  const { api, tenant, database } = place
  const address = { tenant, database, name: LOCK_NAME }
  const spec = { ...address, metadata: lockMetadata(facts), configuration: null, schema: null }
  const made = await unlessTaken(() => api.createCollection(spec, signal))
  const found = made ?? (await api.findCollection(address, signal))
  if (found === undefined) return null
  const info = lockInfo(found)
  return info.token === facts.token ? info : null
}

/**
 * One sign of life: the lock is given its own name, which fails when somebody else has it, and new metadata, in
 * one transaction. A single request: what is to be thought of a lost answer is up to the caller.
 */
export async function sendBeat(
  { api }: LockPlace,
  lock: CollectionRef,
  facts: LockFacts,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const body = new Map<string, JsonValue>([
    ['new_name', LOCK_NAME],
    ['new_metadata', metadataToJson(lockMetadata(facts))],
  ])
  await api.transport.send({
    method: 'PUT',
    path: collectionPath(lock),
    body: stringifyJson(body),
    // The transport would repeat the same beat, whose time nobody knows then.
    idempotent: false,
    ...limits,
  })
}

/** Takes the name away from exactly this lock; its run gets "not found" or "taken" with its next beat. */
export async function setAside(
  { api }: LockPlace,
  lock: CollectionRef,
  prefix: typeof STALE_LOCK_PREFIX | typeof DONE_LOCK_PREFIX,
  signal: AbortSignal | undefined,
): Promise<'done' | 'gone'> {
  try {
    await api.updateCollection(lock, { newName: `${prefix}${lock.id}` }, signal)
    return 'done'
  } catch (error) {
    if (error instanceof ChromaNotFoundError) return 'gone'
    throw error
  }
}

/** Deletion goes by name, so only names that hold the id are deleted: whatever has such a name is dead. */
export async function deleteSetAside(
  { api }: LockPlace,
  lock: CollectionDefinition | CollectionRef,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await api.deleteCollection(lock, signal)
  } catch (error) {
    // Others sweep too.
    if (!(error instanceof CollectionNotFoundError) && !(error instanceof ChromaNotFoundError)) throw error
  }
}

/** What is left of locks that were set aside, by whomever. */
export async function listSetAside(
  { api, tenant, database }: LockPlace,
  signal: AbortSignal | undefined,
): Promise<readonly CollectionDefinition[]> {
  return (await api.listCollections(tenant, database, signal)).filter(
    (collection) => isLock(collection) && isSetAside(collection),
  )
}

export function isSetAside({ name, id }: { readonly name: string; readonly id: string }): boolean {
  return name === `${STALE_LOCK_PREFIX}${id}` || name === `${DONE_LOCK_PREFIX}${id}`
}

async function unlessTaken<T>(create: () => Promise<T>): Promise<T | null> {
  try {
    return await create()
  } catch (error) {
    if (error instanceof ChromaConflictError) return null
    throw error
  }
}
