import { keyGuard, KeyNotFoundError, KeysDamagedError } from './key-errors.js'
import type { RepositoryKey } from './key-file.js'
import { encodeSlot, slotKey, unwrapMaster, type KeySlot } from './key-slot.js'
import { readSlots } from './key-slots.js'
import { MaintenanceLease } from './maintenance-lease.js'
import type { Repository } from './repository.js'

export interface RemoveKeyJob {
  readonly repository: Repository
  /** One that stays, and has just opened the repository: so there is proof of a key that works. */
  readonly key: RepositoryKey
  /** Slot or label. */
  readonly wanted: string
  readonly actor: string
  readonly host: string
  /** For a store without conditional writes: the caller promises that nobody else maintains the repository. */
  readonly singleWriter: boolean
  readonly now: () => Date
  readonly signal?: AbortSignal | undefined
}

export interface KeyRemoval {
  readonly slot: KeySlot
  readonly remaining: readonly KeySlot[]
}

/** What {@link removeKey} would do. Rejects with a {@link KeyNotFoundError}, or a GuardError (15) where it must not be done. */
export async function planRemoval({ repository, key, wanted, signal }: RemoveKeyJob): Promise<KeyRemoval> {
  const { store, id } = repository
  const { slots } = await readSlots(store, id, signal)
  const named = slots.filter(({ slot, label }) => slot === wanted || label === wanted)
  const [slot] = named
  if (slot === undefined)
    throw new KeyNotFoundError(`there is no key ${wanted}`, {
      hint: `there are: ${slots.map(({ slot: name, label }) => `${name} (${label})`).join(', ')}`,
    })
  const remaining = slots.filter((each) => each !== slot)
  if (remaining.length === 0)
    throw keyGuard('KEY_LAST', `"${slot.label}" is the last key: without it nobody could read the backups`, {
      hint: 'add another one first: "chroma-ops repo key add"',
    })
  if ((await unwrapMaster(slot, key)) !== null)
    throw keyGuard('KEY_IN_USE', `"${slot.label}" is the key that the repository was opened with`, {
      hint: 'open it with a key that stays: that proves that there is one',
    })
  return { slot, remaining }
}

/** Removes the slot: its key opens the repository no more. Rejects like {@link planRemoval}, or as locked (11). */
export async function removeKey(job: RemoveKeyJob): Promise<KeyRemoval> {
  const lease = await MaintenanceLease.acquire({ ...job, task: 'repo key remove' })
  try {
    const { slot } = await planRemoval(job)
    await lease.confirmNow()
    return await remove(job, slot)
  } finally {
    await lease.release()
  }
}

/** Two that promised to be alone may each have removed the other's last key: then both put theirs back. */
async function remove({ repository, key, signal }: RemoveKeyJob, slot: KeySlot): Promise<KeyRemoval> {
  const { store, id } = repository
  await store.delete(slotKey(slot.slot), signal)
  const { slots } = await readSlots(store, id, signal)
  for (const each of slots) if ((await unwrapMaster(each, key)) !== null) return { slot, remaining: slots }
  await store.put(slotKey(slot.slot), encodeSlot(slot), signal)
  throw new KeysDamagedError('the key that the repository was opened with has been removed meanwhile', {
    hint: `the key "${slot.label}" was put back; look at "chroma-ops repo key list"`,
  })
}
