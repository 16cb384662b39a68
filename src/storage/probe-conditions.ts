import { randomUUID } from 'node:crypto'

import { OpsError } from '../core/errors.js'
import {
  BlobChangedError,
  BlobExistsError,
  type BlobStore,
  StoreAccessError,
  type StoreCapabilities,
  StoreUnsupportedError,
} from './blob-store.js'

/** How many writers race for one key. */
export const RACERS = 8

const PROBES = 'probe/'

/** The beginning of keys below `probe/` that are no other probe's and nobody's blobs. */
export function probePrefix(): string {
  return `${PROBES}${randomUUID()}-`
}

export function isProbe(key: string): boolean {
  return key.startsWith(PROBES)
}

/** Finds out by trying, on keys that it removes again, what conditional writes are worth on this store. */
export async function probeConditions(store: BlobStore, signal?: AbortSignal): Promise<StoreCapabilities> {
  const prefix = probePrefix()
  const keys = { created: `${prefix}created`, race: `${prefix}race`, matched: `${prefix}matched` }
  try {
    const refusesExisting = await tryCreateOnly(store, keys.created, signal)
    const winners = refusesExisting === 'kept' ? await race(store, keys.race, signal) : 0
    const matches = await tryMatch(store, keys.matched, signal)
    const refusesStale = matches === 'kept' ? await tryStaleMatch(store, keys.matched, signal) : matches
    return {
      putNew: refusesExisting !== 'kept' ? 'none' : winners === 1 ? 'atomic' : 'weak',
      putIfMatch: refusesStale === 'kept',
    }
  } finally {
    await removeProbes(store, Object.values(keys))
  }
}

/** Returns the keys that could not be removed. Without a signal: also what was stopped cleans up. */
export async function removeProbes(store: BlobStore, keys: readonly string[]): Promise<readonly string[]> {
  const left: string[] = []
  for (const [at, key] of keys.entries()) {
    try {
      await store.delete(key)
    } catch (error) {
      if (!(error instanceof OpsError)) throw error
      // A store that is away now is not asked for each key.
      if (!(error instanceof StoreAccessError)) return [...left, ...keys.slice(at)]
      left.push(key)
    }
  }
  return left
}

/** `unsupported`: the store said so; `broken`: it said yes and did something else. */
export type Outcome = 'kept' | 'broken' | 'unsupported'

/** A second `putNew` must be refused and must leave the first value. */
export async function tryCreateOnly(store: BlobStore, key: string, signal?: AbortSignal): Promise<Outcome> {
  const first = Buffer.from(`first ${randomUUID()}`)
  return unlessUnsupported(async () => {
    await store.putNew(key, first, signal)
    const refused = await rejectsWith(BlobExistsError, () =>
      store.putNew(key, Buffer.from(`second ${randomUUID()}`), signal),
    )
    return refused && first.equals((await store.get(key, { signal })).bytes) ? 'kept' : 'broken'
  })
}

/** How many of {@link RACERS} concurrent `putNew` were told that they won; the stored value must be a winner's. */
export async function race(store: BlobStore, key: string, signal?: AbortSignal): Promise<number> {
  const entries = Array.from({ length: RACERS }, (_, racer) => Buffer.from(`racer ${racer} ${randomUUID()}`))
  const settled = await Promise.allSettled(entries.map((bytes) => store.putNew(key, bytes, signal)))
  for (const result of settled)
    if (result.status === 'rejected' && !(result.reason instanceof BlobExistsError)) throw result.reason
  const winners = entries.filter((_, racer) => settled[racer]?.status === 'fulfilled')
  const { bytes } = await store.get(key, { signal })
  return winners.some((winner) => winner.equals(bytes)) ? winners.length : 0
}

/** `putIfMatch` with the version of the last write must be accepted and must write. */
export async function tryMatch(store: BlobStore, key: string, signal?: AbortSignal): Promise<Outcome> {
  const second = Buffer.from(`second ${randomUUID()}`)
  return unlessUnsupported(async () => {
    await store.put(key, Buffer.from(`first ${randomUUID()}`), signal)
    const { version } = await store.get(key, { signal })
    const refused = await rejectsWith(BlobChangedError, () => store.putIfMatch(key, second, version, signal))
    if (refused) return 'broken'
    return second.equals((await store.get(key, { signal })).bytes) ? 'kept' : 'broken'
  })
}

/** `putIfMatch` with an older version must be refused and must write nothing. */
export async function tryStaleMatch(store: BlobStore, key: string, signal?: AbortSignal): Promise<Outcome> {
  const current = Buffer.from(`current ${randomUUID()}`)
  return unlessUnsupported(async () => {
    await store.put(key, Buffer.from(`stale ${randomUUID()}`), signal)
    const { version: stale } = await store.get(key, { signal })
    await store.put(key, current, signal)
    const refused = await rejectsWith(BlobChangedError, () =>
      store.putIfMatch(key, Buffer.from(`late ${randomUUID()}`), stale, signal),
    )
    return refused && current.equals((await store.get(key, { signal })).bytes) ? 'kept' : 'broken'
  })
}

async function unlessUnsupported(attempt: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof StoreUnsupportedError) return 'unsupported'
    throw error
  }
}

type Expected = typeof BlobExistsError | typeof BlobChangedError

/** Whether the call is refused in exactly this way; another failure is passed on. */
async function rejectsWith(expected: Expected, call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call()
    return false
  } catch (error) {
    if (error instanceof expected) return true
    throw error
  }
}
