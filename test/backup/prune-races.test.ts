import { expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { applyPrune } from '../../src/backup/prune-repository.js'
import { openRepository, type Repository } from '../../src/backup/repository.js'
import { listRemoved, undeleteBackup } from '../../src/backup/undelete-backup.js'
import { OpsError } from '../../src/core/errors.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  newRepository,
  numberedBatch,
  sourceOf,
} from '../helpers/backups.js'
import { DatedStore } from '../helpers/dated-store.js'
import { DAY_MS, pruneJob, wholeBackups } from '../helpers/prunes.js'
import { SharedStore, Shuffler } from '../helpers/shuffled-store.js'

const ORDERS = Number(process.env['CHROMA_OPS_TEST_ORDERS'] ?? 100)

async function backUp(repository: Repository, now: () => Date, night: number) {
  const steady = collectionOf('steady', [numberedBatch(40, 3, 's')])
  const changing = collectionOf('changing', [numberedBatch(20, 3, `night${night}-`)])
  return createBackup(jobOf(repository, sourceOf(steady, changing), { now }))
}

/** Two backups, a third in the trash, and what is left of a fourth. */
async function usedStore(): Promise<DatedStore> {
  const store = new DatedStore(FIRST_NIGHT)
  const repository = await newRepository(store)
  const now = () => store.time
  for (let night = 0; night < 3; night++) {
    await backUp(repository, now, night)
    store.pass(DAY_MS)
  }
  await applyPrune(pruneJob(repository, now, { last: 2 }))
  const [key = ''] = await store.keys('objects/')
  const orphan = key.replace(/objects\/[^/]+/, 'objects/20261119T020000Z-docs-7f3k')
  await store.put(orphan, (await store.get(key)).bytes)
  return store
}

const used = await usedStore()

async function copyOf(original: DatedStore) {
  const store = new DatedStore(original.time)
  for (const key of await original.keys()) await store.put(key, (await original.get(key)).bytes)
  return { store, repository: await openRepository({ store }), now: () => store.time }
}

/** What became of some work: an expected failure is as good as a success. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (error instanceof OpsError) return error.code
    throw error
  }
}

/**
 * No grace at all, and where `sessionExpiryMs` is below zero every run is given up at once: only the order of reads
 * and writes protects what is needed.
 */
async function interleave(seed: number, sessionExpiryMs: number) {
  const { store, repository, now } = await copyOf(used)
  const shuffler = new Shuffler(randomNumbers(seed))
  const as = (user: string) => openRepository({ store: new SharedStore(store, shuffler, user) })
  const unlimited = { graceMs: 0, purgeNow: true, sessionExpiryMs }
  const newest = (await wholeBackups(repository)).slice(-1)
  // Two that promise to be alone may together remove the last backup, but nothing that a remaining one needs.
  const singleWriter = seed % 5 === 0
  const prune = async (user: string, named: readonly string[] | null) => {
    return applyPrune(pruneJob(await as(user), now, { last: 1 }, { ...unlimited, named, singleWriter }))
  }
  const [removed] = await listRemoved(repository)
  const putBack = (own: Repository) => undeleteBackup({ ...pruneJob(own, now), backup: removed?.id ?? '' })
  const outcomes = await Promise.all([
    // The same records as in the newest backup, which goes.
    outcomeOf(as('first').then((own) => backUp(own, now, 2))),
    outcomeOf(as('second').then((own) => backUp(own, now, 11))),
    outcomeOf(prune('pruner', null)),
    outcomeOf(prune('other pruner', newest)),
    outcomeOf(as('operator').then((own) => (singleWriter ? null : putBack(own)))),
  ])
  const least = singleWriter ? 0 : 1
  expect((await wholeBackups(repository)).length).toBeGreaterThanOrEqual(least)
  await applyPrune(pruneJob(repository, now, { last: 1 }, unlimited))
  expect((await wholeBackups(repository)).length).toBeGreaterThanOrEqual(least)
  return outcomes
}

test('in random orders of two backups, two prunes and an undelete nothing that is needed is deleted', async () => {
  const seen = new Set<string>()
  // All of it is to happen: success, being given up or losing the parent, being locked out. Some of it is rare.
  const all = [
    'backup done',
    'backup BACKUP_FAILED',
    'prune done',
    'prune MAINTENANCE_LOCKED',
    'undelete done',
  ]
  const isMissing = () => all.some((outcome) => !seen.has(outcome))
  for (let seed = 0; seed < ORDERS || (isMissing() && seed < 10 * ORDERS); seed++) {
    const [first, second, ...others] = await interleave(seed, seed % 2 === 0 ? DAY_MS : -1)
    seen.add(`backup ${first}`).add(`backup ${second}`)
    others.forEach((outcome, index) => seen.add(`${index < 2 ? 'prune' : 'undelete'} ${outcome}`))
  }
  expect([...seen]).toEqual(expect.arrayContaining(all))
}, 600_000)

/** Freezes a user before its first call that is like this, and resolves when it is frozen. */
async function frozenBefore(
  shuffler: Shuffler,
  store: SharedStore,
  user: string,
  method: string,
  prefix: string,
) {
  await new Promise<void>((resolve) => {
    store.beforeCall = (called, key) => {
      if (called !== method || !key.startsWith(prefix)) return
      store.beforeCall = () => {}
      shuffler.freeze(user)
      resolve()
    }
  })
}

async function twoUsers() {
  const { store, repository, now } = await copyOf(used)
  const shuffler = new Shuffler(randomNumbers(1))
  const stores = {
    backup: new SharedStore(store, shuffler, 'backup'),
    pruner: new SharedStore(store, shuffler, 'pruner'),
  }
  const backup = await openRepository({ store: stores.backup })
  const pruner = await openRepository({ store: stores.pruner })
  const [newest = ''] = (await wholeBackups(repository)).slice(-1)
  return { store, repository, now, shuffler, stores, backup, pruner, newest }
}

test('a backup whose parent is removed before it has said that it relies on it fails', async () => {
  const { repository, now, shuffler, stores, backup, pruner, newest } = await twoUsers()
  const begins = frozenBefore(shuffler, stores.backup, 'backup', 'putNew', 'sessions/')
  const own = outcomeOf(backUp(backup, now, 2))
  await begins
  // The pruner has seen that there is no session, and is about to delete.
  const deletes = frozenBefore(shuffler, stores.pruner, 'pruner', 'delete', 'objects/')
  const pruned = applyPrune(pruneJob(pruner, now, {}, { named: [newest], purgeNow: true }))
  await deletes
  shuffler.thaw('backup')
  expect(await own).toBe('BACKUP_FAILED')
  shuffler.thaw('pruner')
  expect((await pruned).freed.objects).toBeGreaterThan(0)
  expect(await wholeBackups(repository)).toHaveLength(1)
})

test('what a backup relies on that began in the midst of a prune stays, although it is removed', async () => {
  const { repository, now, shuffler, stores, backup, pruner, newest } = await twoUsers()
  const removes = frozenBefore(shuffler, stores.pruner, 'pruner', 'delete', 'backups/')
  const pruned = applyPrune(pruneJob(pruner, now, {}, { named: [newest], purgeNow: true }))
  await removes
  const reuses = frozenBefore(shuffler, stores.backup, 'backup', 'putNew', 'backups/')
  const own = backUp(backup, now, 2)
  await reuses
  shuffler.thaw('pruner')
  await pruned
  expect((await listRemoved(repository)).map(({ id }) => id)).toContain(newest)
  shuffler.thaw('backup')
  const { head } = await own
  expect(head.parent).toBe(newest)
  expect(await wholeBackups(repository)).toContain(head.id)
})

test('a backup that was asleep for so long that it was given up takes its manifest back', async () => {
  const { store, repository, now, shuffler, stores, backup } = await twoUsers()
  const commits = frozenBefore(shuffler, stores.backup, 'backup', 'putNew', 'backups/')
  const own = outcomeOf(backUp(backup, now, 10))
  await commits
  const before = (await store.keys('objects/')).length
  store.pass(9 * DAY_MS)
  await applyPrune(pruneJob(repository, now))
  expect((await store.keys('objects/')).length).toBeLessThan(before)
  const whole = await wholeBackups(repository)
  shuffler.thaw('backup')
  expect(await own).toBe('BACKUP_FAILED')
  expect(await wholeBackups(repository)).toEqual(whole)
})

test('a prune that was asleep while another one took over deletes nothing any more', async () => {
  const { store, repository, now, shuffler, stores, pruner } = await twoUsers()
  const deletes = frozenBefore(shuffler, stores.pruner, 'pruner', 'delete', 'backups/')
  const job = { leaseTtlMs: 60_000, purgeNow: true }
  const asleep = outcomeOf(applyPrune(pruneJob(pruner, now, { last: 1 }, job)))
  await deletes
  store.pass(61_000)
  const other = await applyPrune(pruneJob(repository, now, { last: 2 }, job))
  expect(other.trash).toMatchObject([{ decision: 'purge' }])
  const keys = await store.keys('objects/')
  shuffler.thaw('pruner')
  expect(await asleep).toBe('LEASE_LOST')
  expect(await store.keys('objects/')).toEqual(keys)
  // The one call that was on its way has only moved a backup into the trash.
  const [removed] = await listRemoved(repository)
  await undeleteBackup({ ...pruneJob(repository, now), backup: removed?.id ?? '' })
  expect(await wholeBackups(repository)).toHaveLength(2)
})

function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
