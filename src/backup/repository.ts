import { randomBytes } from 'node:crypto'

import { BlobExistsError, type BlobStore } from '../storage/blob-store.js'
import type { RepositoryCipher } from './cipher.js'
import { RepositoryDamagedError, RepositoryNotFoundError } from './errors.js'
import { KeyMissingError, KeysDamagedError, notEncrypted, otherRepository } from './key-errors.js'
import type { RepositoryKey } from './key-file.js'
import { slotKey } from './key-slot.js'
import { createMaster, readSlots, unlock } from './key-slots.js'
import { FORMAT } from './manifest.js'
import {
  ENCRYPTION,
  readDescription,
  REPAIR_HINT,
  REPOSITORY_KEY,
  type RepositoryDescription,
} from './repository-description.js'
import { sealJson } from './sealed-json.js'

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

/** How to open a repository, and what it must be. */
export interface RepositoryAccess {
  /** Asked for when the repository is encrypted. Null: there is no key. */
  readonly key?: (() => Promise<RepositoryKey | null>) | undefined
  /** Refuse one that is not encrypted; who wants that, for the message. */
  readonly mustBeEncrypted?: string | undefined
  /** Refuse any other than the one with this id. */
  readonly mustBe?: { readonly id: string; readonly because: string } | undefined
}

interface OpenJob extends RepositoryAccess {
  readonly store: BlobStore
  readonly signal?: AbortSignal | undefined
}

interface FirstKey {
  /** Of the first slot. */
  readonly label: string
  /** Null: there is none. */
  readonly key: () => Promise<RepositoryKey | null>
}

interface InitJob extends OpenJob {
  readonly now: Date
  /** Where there is none yet, make an encrypted one. */
  readonly encrypt?: FirstKey | undefined
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
  const existing = await openIfThere(job)
  if (existing !== null) return { repository: existing, created: false }
  await refuseOrphans(job.store, job.signal)
  const [key] = await leftKeys(job)
  if (key !== undefined && job.encrypt === undefined)
    throw new RepositoryDamagedError(`${job.store.displayUrl} holds ${key} but no ${REPOSITORY_KEY}`, {
      hint: 'an earlier "chroma-ops repo init --encrypt" did not finish: run it again',
    })
  return create(job)
}

/**
 * Like {@link initRepository}, but writes a new `repo.json` where it is damaged or missing: its backups, which
 * do not refer to it, are as they were. The repository gets a new id; one that is encrypted keeps the id that the
 * key slots name, and needs its key.
 */
export async function repairRepository(job: InitJob): Promise<Initialised> {
  const { store, signal } = job
  try {
    const existing = await openIfThere(job)
    if (existing !== null) return { repository: existing, created: false }
  } catch (error) {
    if (!(error instanceof RepositoryDamagedError)) throw error
  }
  const [id] = await repositoriesOf(store, signal)
  if (id !== undefined) await unlock({ store, repository: id, key: await keyOf(job), signal })
  await store.delete(REPOSITORY_KEY, signal)
  return write(job, id === undefined ? { id: newId(), requires: [] } : { id, requires: [ENCRYPTION] })
}

async function create(job: InitJob): Promise<Initialised> {
  const { store, now, encrypt, signal } = job
  const id = newId()
  if (encrypt === undefined) return write(job, { id, requires: [] })
  // The key first: a repository without one is good for nothing.
  const key = await keyOf({ store, key: encrypt.key })
  const { slot } = await createMaster({ store, repository: id, key, label: encrypt.label, now, signal })
  const again = () => Promise.resolve(key)
  const initialised = await write({ ...job, key: again }, { id, requires: [ENCRYPTION] })
  if (!initialised.created) await store.delete(slotKey(slot.slot), signal)
  return initialised
}

async function write(
  job: InitJob,
  { id, requires }: { readonly id: string; readonly requires: readonly string[] },
): Promise<Initialised> {
  const { store, now, signal } = job
  const document = { format: FORMAT, id, created: now.toISOString(), requires }
  try {
    await store.putNew(REPOSITORY_KEY, sealJson(document), signal)
  } catch (error) {
    if (!(error instanceof BlobExistsError)) throw error
  }
  // Read back: of two that create it at the same time, both use the one that is there.
  const repository = await openRepository(job)
  return { repository, created: repository.id === id }
}

/** The ids that key slots name; more than one only where something went wrong. */
async function repositoriesOf(store: BlobStore, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const { slots, faults } = await readSlots(store, null, signal)
  const ids = [...new Set(slots.map(({ repository }) => repository))]
  if (ids.length > 1 || (ids.length === 0 && faults.length > 0))
    throw new KeysDamagedError(
      `the key slots of ${store.displayUrl} do not say which repository they belong to`,
    )
  return ids
}

async function leftKeys({ store, signal }: OpenJob): Promise<readonly string[]> {
  for await (const { key } of store.list('keys/', signal)) return [key]
  return []
}

function newId(): string {
  return randomBytes(16).toString('hex')
}

/**
 * Rejects with {@link RepositoryNotFoundError}, {@link RepositoryDamagedError}, a RepositoryUnsupportedError when
 * it needs a newer version; a KeyMissingError or a WrongKeyError (14) when it is encrypted; a GuardError (15) when
 * it is not what `access` wants.
 */
export async function openRepository(job: OpenJob): Promise<Repository> {
  const repository = await openIfThere(job)
  if (repository !== null) return repository
  await refuseOrphans(job.store, job.signal)
  throw new RepositoryNotFoundError(job.store.displayUrl)
}

/** What can be told without a key. Rejects like {@link openRepository}, but for keys. */
export async function describeRepository({ store, signal }: OpenJob): Promise<RepositoryDescription> {
  const described = await readDescription(store, signal)
  if (described === null) throw new RepositoryNotFoundError(store.displayUrl)
  return described
}

/**
 * Creates a repository with the id and the keys of another one, whose stored bytes it can hold as they are. Does
 * nothing where there is a repository.
 */
export async function initMirror(from: BlobStore, to: BlobStore, signal?: AbortSignal): Promise<boolean> {
  if ((await readDescription(to, signal)) !== null) return false
  await refuseOrphans(to, signal)
  // The description last: a repository without keys is good for nothing.
  for await (const { key } of from.list('keys/', signal))
    await to.put(key, (await from.get(key, { signal })).bytes, signal)
  await to.putNew(REPOSITORY_KEY, (await from.get(REPOSITORY_KEY, { signal })).bytes, signal)
  return true
}

/** Backups without a `repo.json` are a damaged repository, not a place for a new one. */
async function refuseOrphans(store: BlobStore, signal: AbortSignal | undefined): Promise<void> {
  for await (const { key } of store.list('backups/', signal)) {
    throw new RepositoryDamagedError(`${store.displayUrl} holds ${key} but no ${REPOSITORY_KEY}`, {
      hint: REPAIR_HINT,
    })
  }
}

async function openIfThere(job: OpenJob): Promise<Repository | null> {
  const { store, mustBe, mustBeEncrypted, signal } = job
  const described = await readDescription(store, signal)
  if (described === null) return null
  const { isEncrypted, ...plain } = described
  if (mustBe !== undefined && mustBe.id !== plain.id)
    throw otherRepository(store.displayUrl, plain.id, mustBe.id, mustBe.because)
  if (isEncrypted) {
    const { cipher } = await unlock({ store, repository: plain.id, key: await keyOf(job), signal })
    return { ...plain, cipher }
  }
  const [key] = await leftKeys(job)
  if (key !== undefined)
    throw new RepositoryDamagedError(
      `${store.displayUrl} holds ${key}, but ${REPOSITORY_KEY} says that it is not encrypted`,
      { hint: `put ${REPOSITORY_KEY} back from a copy; do not write to this repository` },
    )
  if (mustBeEncrypted !== undefined) throw notEncrypted(store.displayUrl, mustBeEncrypted)
  return { ...plain, cipher: null }
}

async function keyOf({ store, key }: OpenJob): Promise<RepositoryKey> {
  const given = await key?.()
  if (given === null || given === undefined) throw new KeyMissingError(store.displayUrl)
  return given
}
