import { randomBytes } from 'node:crypto'

import * as v from 'valibot'

import { BlobExistsError, BlobNotFoundError, type BlobStore } from '../storage/blob-store.js'
import type { RepositoryCipher } from './cipher.js'
import { RepositoryDamagedError, RepositoryNotFoundError, RepositoryUnsupportedError } from './errors.js'
import { FORMAT, needsSchema, refuseUnknown } from './manifest.js'
import { digestSchema } from './object-reference.js'
import { sealJson, unsealJson } from './sealed-json.js'

const REPOSITORY_KEY = 'repo.json'
const REPAIR_HINT =
  'put repo.json back from a copy, or write a new one with "chroma-ops repo init --repair": the backups do not depend on it'

/** An opened repository. Stateless beside its store: several processes may use one at the same time. */
export interface Repository {
  readonly store: BlobStore
  /** 32 hexadecimal digits, random. */
  readonly id: string
  /** ISO 8601. */
  readonly created: string
  /** Null: the repository is not encrypted. */
  readonly cipher: RepositoryCipher | null
}

const documentSchema = v.object({
  format: v.literal(FORMAT),
  id: digestSchema,
  created: v.string(),
  requires: v.array(v.string()),
})

interface InitJob {
  readonly store: BlobStore
  readonly now: Date
  readonly signal?: AbortSignal | undefined
}

export interface Initialised {
  readonly repository: Repository
  readonly created: boolean
}

/**
 * Creates the repository, or opens the one that is there. Rejects with {@link RepositoryDamagedError} when
 * its `repo.json` is damaged, or backups are there without one.
 */
export async function initRepository(job: InitJob): Promise<Initialised> {
  const existing = await readIfThere(job.store, job.signal)
  if (existing !== null) return { repository: existing, created: false }
  await refuseOrphans(job.store, job.signal)
  return create(job)
}

/**
 * Like {@link initRepository}, but writes a new `repo.json` where it is damaged or missing: its backups, which
 * do not refer to it, are as they were. The repository gets a new id. Refuses a repository that has keys:
 * what they are for was in the file.
 */
export async function repairRepository(job: InitJob): Promise<Initialised> {
  const { store, signal } = job
  try {
    const existing = await readIfThere(store, signal)
    if (existing !== null) return { repository: existing, created: false }
  } catch (error) {
    if (!(error instanceof RepositoryDamagedError)) throw error
  }
  for await (const { key } of store.list('keys/', signal)) {
    throw new RepositoryUnsupportedError(`${store.displayUrl} with ${key}`, 'its own repo.json')
  }
  await store.delete(REPOSITORY_KEY, signal)
  return create(job)
}

async function create({ store, now, signal }: InitJob): Promise<Initialised> {
  const id = randomBytes(16).toString('hex')
  const document = { format: FORMAT, id, created: now.toISOString(), requires: [] }
  try {
    await store.putNew(REPOSITORY_KEY, sealJson(document), signal)
  } catch (error) {
    if (!(error instanceof BlobExistsError)) throw error
  }
  // Read back: of two that create it at the same time, both use the one that is there.
  const repository = await openRepository({ store, signal })
  return { repository, created: repository.id === id }
}

/**
 * Rejects with {@link RepositoryNotFoundError}, {@link RepositoryDamagedError}, or a
 * RepositoryUnsupportedError when it needs a newer version.
 */
export async function openRepository(job: {
  readonly store: BlobStore
  readonly signal?: AbortSignal | undefined
}): Promise<Repository> {
  const repository = await readIfThere(job.store, job.signal)
  if (repository !== null) return repository
  await refuseOrphans(job.store, job.signal)
  throw new RepositoryNotFoundError(job.store.displayUrl)
}

/** Backups without a `repo.json` are a damaged repository, not a place for a new one. */
async function refuseOrphans(store: BlobStore, signal: AbortSignal | undefined): Promise<void> {
  for await (const { key } of store.list('backups/', signal)) {
    throw new RepositoryDamagedError(`${store.displayUrl} holds ${key} but no ${REPOSITORY_KEY}`, {
      hint: REPAIR_HINT,
    })
  }
}

async function readIfThere(store: BlobStore, signal: AbortSignal | undefined): Promise<Repository | null> {
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

function decode(store: BlobStore, bytes: Uint8Array): Repository {
  const where = `${REPOSITORY_KEY} of ${store.displayUrl}`
  const unsealed = unsealJson(bytes)
  if ('damage' in unsealed)
    throw new RepositoryDamagedError(`${where} ${unsealed.damage}`, { hint: REPAIR_HINT })
  const needs = v.safeParse(needsSchema, unsealed.document)
  if (needs.success) refuseUnknown(`repository ${store.displayUrl}`, needs.output)
  const document = v.safeParse(documentSchema, unsealed.document)
  if (!document.success)
    throw new RepositoryDamagedError(`${where} is not the description of a repository`, { hint: REPAIR_HINT })
  return { store, id: document.output.id, created: document.output.created, cipher: null }
}
