import * as v from 'valibot'

import { BlobNotFoundError, type BlobStore } from '../storage/blob-store.js'
import { RepositoryDamagedError } from './errors.js'
import { FORMAT, needsSchema, refuseUnknown } from './manifest.js'
import { digestSchema } from './object-reference.js'
import { unsealJson } from './sealed-json.js'

export const REPOSITORY_KEY = 'repo.json'
export const REPAIR_HINT =
  'put repo.json back from a copy, or write a new one with "chroma-ops repo init --repair": the backups do not depend on it'

/** In `requires` of `repo.json`. */
export const ENCRYPTION = 'encryption'

/** What `repo.json` says. */
export interface RepositoryDescription {
  readonly store: BlobStore
  /** 32 hexadecimal digits, random. */
  readonly id: string
  /** ISO 8601. */
  readonly created: string
  readonly isEncrypted: boolean
}

const documentSchema = v.object({
  format: v.literal(FORMAT),
  id: digestSchema,
  created: v.string(),
  requires: v.array(v.string()),
})

/** Null: there is none. Rejects with a {@link RepositoryDamagedError}, or as not supported. */
export async function readDescription(
  store: BlobStore,
  signal: AbortSignal | undefined,
): Promise<RepositoryDescription | null> {
  const read = async () => decode(store, (await store.get(REPOSITORY_KEY, { signal })).bytes)
  try {
    return await read()
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    // Once more, for the network and the disk err too.
    if (error instanceof RepositoryDamagedError) return read()
    throw error
  }
}

function decode(store: BlobStore, bytes: Uint8Array): RepositoryDescription {
  const where = `${REPOSITORY_KEY} of ${store.displayUrl}`
  const unsealed = unsealJson(bytes)
  if ('damage' in unsealed)
    throw new RepositoryDamagedError(`${where} ${unsealed.damage}`, { hint: REPAIR_HINT })
  const needs = v.safeParse(needsSchema, unsealed.document)
  if (needs.success) refuseUnknown(`repository ${store.displayUrl}`, needs.output, [ENCRYPTION])
  const document = v.safeParse(documentSchema, unsealed.document)
  if (!document.success)
    throw new RepositoryDamagedError(`${where} is not the description of a repository`, { hint: REPAIR_HINT })
  const { id, created, requires } = document.output
  return { store, id, created, isEncrypted: requires.includes(ENCRYPTION) }
}
