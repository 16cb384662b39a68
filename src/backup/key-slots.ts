import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'

import { BlobNotFoundError, type BlobStore } from '../storage/blob-store.js'
import { KEY_BYTES, RepositoryCipher } from './cipher.js'
import { KeysDamagedError, keyGuard, WrongKeyError } from './key-errors.js'
import { refuseWeak, type RepositoryKey } from './key-file.js'
import { decodeSlot, encodeSlot, slotKey, unwrapMaster, wrapMaster, type KeySlot } from './key-slot.js'

/** So that a wrong passphrase is told in seconds: each is tried. */
const MOST_PASSPHRASES = 8

export interface SlotsFound {
  /** In the order of their creation. */
  readonly slots: readonly KeySlot[]
  /** Keys of those that cannot be used, and why. */
  readonly faults: readonly { readonly key: string; readonly fault: string }[]
}

export interface Unlocked {
  readonly cipher: RepositoryCipher
  readonly master: KeyObject
  readonly slot: KeySlot
}

/** Every key slot of a repository; `repository` is its id, null: whatever it is. */
export async function readSlots(
  store: BlobStore,
  repository: string | null,
  signal?: AbortSignal,
): Promise<SlotsFound> {
  const slots: KeySlot[] = []
  const faults: { key: string; fault: string }[] = []
  for await (const { key } of store.list('keys/', signal)) {
    const decoded = await readSlot(store, key, signal)
    if (decoded === null) continue
    if ('fault' in decoded) faults.push({ key, fault: decoded.fault })
    else if (key !== slotKey(decoded.slot.slot)) faults.push({ key, fault: 'was put under another name' })
    else if (repository !== null && decoded.slot.repository !== repository)
      faults.push({ key, fault: `belongs to repository ${decoded.slot.repository}` })
    else slots.push(decoded.slot)
  }
  slots.sort((a, b) => (a.created < b.created ? -1 : 1))
  return { slots, faults }
}

/** Rejects with a {@link WrongKeyError} (14) or a {@link KeysDamagedError} (13). */
export async function unlock(job: {
  readonly store: BlobStore
  /** The id of the repository. */
  readonly repository: string
  readonly key: RepositoryKey
  readonly signal?: AbortSignal | undefined
}): Promise<Unlocked> {
  const { store, repository, key, signal } = job
  const found = await readSlots(store, repository, signal)
  for (const slot of found.slots) {
    const master = await unwrapMaster(slot, key)
    if (master !== null) return { master, slot, cipher: new RepositoryCipher(master, repository) }
  }
  if (found.slots.length === 0) throw noSlots(store, found)
  throw new WrongKeyError(store.displayUrl, key.source, slotsText(found))
}

export interface AddKeyJob {
  readonly store: BlobStore
  /** The id of the repository. */
  readonly repository: string
  /** One that opens it already. */
  readonly key: RepositoryKey
  readonly newKey: RepositoryKey
  readonly label: string
  readonly now: Date
  readonly signal?: AbortSignal | undefined
}

/** Lets another key open the repository; nothing else is written again. Rejects like {@link unlock}. */
export async function addKey(job: AddKeyJob): Promise<KeySlot> {
  const { store, repository, newKey, label, now, signal } = job
  refuseWeak(newKey)
  const { slots } = await readSlots(store, repository, signal)
  if (slots.some((slot) => slot.label === label))
    throw keyGuard('KEY_LABEL_TAKEN', `there is a key with the label ${label} already`, {
      hint: 'choose another one with --label',
    })
  const passphrases = slots.filter(({ kind }) => kind === 'passphrase').length
  if (newKey.kind === 'passphrase' && passphrases >= MOST_PASSPHRASES)
    throw keyGuard('KEY_SLOTS_FULL', `there are ${passphrases} passphrases already`, {
      hint: 'remove one with "chroma-ops repo key remove", or add a key file',
    })
  const { master } = await unlock(job)
  return writeSlot(store, { repository, master, key: newKey, label, now }, signal)
}

/** A new master key, and the slot that `key` opens. */
export async function createMaster(
  job: Omit<AddKeyJob, 'newKey'>,
): Promise<{ readonly master: KeyObject; readonly slot: KeySlot }> {
  refuseWeak(job.key)
  const master = createSecretKey(randomBytes(KEY_BYTES))
  return { master, slot: await writeSlot(job.store, { ...job, master }, job.signal) }
}

/** Writes a slot and proves that what was stored opens. */
async function writeSlot(
  store: BlobStore,
  job: Parameters<typeof wrapMaster>[0],
  signal: AbortSignal | undefined,
): Promise<KeySlot> {
  const slot = await wrapMaster(job)
  await store.putNew(slotKey(slot.slot), encodeSlot(slot), signal)
  const decoded = await readSlot(store, slotKey(slot.slot), signal)
  const stored = decoded !== null && 'slot' in decoded ? await unwrapMaster(decoded.slot, job.key) : null
  if (stored?.equals(job.master) !== true)
    throw new KeysDamagedError(`${slotKey(slot.slot)} is not what was written to it`)
  return slot
}

async function readSlot(store: BlobStore, key: string, signal: AbortSignal | undefined) {
  try {
    const decoded = decodeSlot((await store.get(key, { signal })).bytes)
    // Once more, for the network and the disk err too.
    return 'slot' in decoded ? decoded : decodeSlot((await store.get(key, { signal })).bytes)
  } catch (error) {
    // Removed since it was listed.
    if (error instanceof BlobNotFoundError) return null
    throw error
  }
}

function noSlots({ displayUrl }: BlobStore, { faults }: SlotsFound): KeysDamagedError {
  const reasons = faults.map(({ key, fault }) => `; ${key} ${fault}`).join('')
  return new KeysDamagedError(`${displayUrl} is encrypted, but has no key slot that can be used${reasons}`, {
    hint: 'put the files below keys/ back from a copy of the repository: without them nothing can be read',
  })
}

function slotsText({ slots, faults }: SlotsFound): string {
  const named = slots.map(
    ({ kind, label }) => `${kind === 'passphrase' ? 'a passphrase' : 'a key file'} (${label})`,
  )
  return [...named, ...faults.map(({ key, fault }) => `${key}, which ${fault}`)].join(', ')
}
