import { expect, test } from '@jest/globals'

import { addKey, readSlots } from '../../src/backup/key-slots.js'
import { removeKey } from '../../src/backup/remove-key.js'
import { openRepository } from '../../src/backup/repository.js'
import { OpsError } from '../../src/core/errors.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { FIRST_NIGHT, KEY, keyOf, newEncryptedRepository } from '../helpers/backups.js'
import { SharedStore, Shuffler } from '../helpers/shuffled-store.js'

const ORDERS = 60
const OTHER = keyOf('the other key')

/** Two operators, of whom each removes the key of the other; what becomes of each, and how many keys stay. */
async function race(seed: number, singleWriter: boolean) {
  const store = new MemoryStore()
  const { id: repository } = await newEncryptedRepository(store)
  await addKey({ store, repository, key: KEY, newKey: OTHER, label: 'second', now: FIRST_NIGHT })
  const shuffler = new Shuffler(randomNumbers(seed))
  const remove = async (user: string, key: typeof KEY, wanted: string) => {
    try {
      const own = new SharedStore(store, shuffler, user)
      const opened = await openRepository({ store: own, key: () => Promise.resolve(key) })
      const who = { actor: user, host: 'testhost', singleWriter, now: () => new Date() }
      await removeKey({ ...who, repository: opened, key, wanted })
      return 'removed'
    } catch (error) {
      if (error instanceof OpsError) return error.code
      throw error
    }
  }
  const outcomes = await Promise.all([remove('one', KEY, 'second'), remove('two', OTHER, 'first')])
  return { outcomes, keys: (await readSlots(store, repository)).slots.length }
}

test.each([false, true])(
  'of two who remove the key of each other at most one succeeds, and a key stays (alone: %s)',
  async (singleWriter) => {
    const seen = new Set<string>()
    for (let seed = 0; seed < ORDERS; seed++) {
      const { outcomes, keys } = await race(seed, singleWriter)
      expect(keys).toBeGreaterThanOrEqual(1)
      expect(outcomes.filter((outcome) => outcome === 'removed').length).toBeLessThanOrEqual(1)
      for (const outcome of outcomes) seen.add(outcome)
    }
    expect(seen).toContain('removed')
    expect(seen).toContain(singleWriter ? 'KEYS_DAMAGED' : 'MAINTENANCE_LOCKED')
  },
)

function randomNumbers(seed: number): () => number {
  let state = seed + 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
