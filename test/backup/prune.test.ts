import { expect, test } from '@jest/globals'

import { HOLD, putMark, removeMark } from '../../src/backup/backup-marks.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { planPrune } from '../../src/backup/plan-prune.js'
import { applyPrune } from '../../src/backup/prune-repository.js'
import type { PruneResult } from '../../src/backup/prune-job.js'
import { Session } from '../../src/backup/sessions.js'
import { listRemoved, undeleteBackup } from '../../src/backup/undelete-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import { StoreAccessError, StoreUnreachableError } from '../../src/storage/blob-store.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  newEncryptedRepository,
  newRepository,
  numberedBatch,
  sourceOf,
} from '../helpers/backups.js'
import { DatedStore } from '../helpers/dated-store.js'
import { DAY_MS, pruneJob, wholeBackups } from '../helpers/prunes.js'

/** Five nights; each night's backup shares what did not change with the one before. */
async function fiveNights(create = newRepository) {
  const store = new DatedStore(FIRST_NIGHT)
  const repository = await create(store)
  const now = () => store.time
  const ids: string[] = []
  const night = async (records = 40, series = 'docs') => {
    const steady = collectionOf('steady', [numberedBatch(60, 3, 's')])
    const changing = collectionOf('changing', [numberedBatch(records, 3, `night${ids.length}-`)])
    const { head } = await createBackup(jobOf(repository, sourceOf(steady, changing), { now, series }))
    ids.push(head.id)
    store.pass(DAY_MS)
    return head.id
  }
  for (let count = 0; count < 5; count++) await night()
  const job = (policy = {}, overrides = {}) => pruneJob(repository, now, policy, overrides)
  return { store, repository, now, ids, night, job }
}

function removedIn(result: PruneResult): readonly string[] {
  return result.backups.filter(({ decision }) => decision === 'remove').map(({ id }) => id)
}

test('what is removed goes to the trash, can be put back, and is purged after the grace', async () => {
  const { store, repository, ids, job } = await fiveNights()
  // Only the trash protects what is so old.
  store.pass(30 * DAY_MS)
  const before = await store.keys('objects/')
  const first = await applyPrune(job({ last: 3 }))
  expect(removedIn(first)).toEqual([ids[1], ids[0]])
  expect(first).toMatchObject({ applied: true, freed: { objects: 0 }, obstacles: [], refusals: [] })
  expect(await store.keys('objects/')).toEqual(before)
  expect(await wholeBackups(repository)).toEqual(ids.slice(2))
  expect((await listRemoved(repository)).map(({ id }) => id)).toEqual([ids[1], ids[0]])

  await undeleteBackup({ ...job(), backup: ids[1] ?? '' })
  expect(await wholeBackups(repository)).toEqual(ids.slice(1))
  await applyPrune(job({ last: 3 }))
  store.pass(7 * DAY_MS + 1)
  const later = await applyPrune(job({ last: 3 }))
  expect(later.trash).toMatchObject([
    { id: ids[0], decision: 'purge' },
    { id: ids[1], decision: 'purge' },
  ])
  expect(later.freed.objects).toBeGreaterThan(0)
  expect(later.freed).toEqual(first.freedLater)
  expect(await wholeBackups(repository)).toEqual(ids.slice(2))
  expect(await store.keys('trash/')).toEqual([])
  await expect(undeleteBackup({ ...job(), backup: ids[0] ?? '' })).rejects.toMatchObject({ exitCode: 10 })
})

test('an encrypted repository is pruned like any other, and what is noted there cannot be read', async () => {
  const { store, repository, ids, job } = await fiveNights((store) => newEncryptedRepository(store))
  const hold = { reason: 'canary', until: null, actor: 'canary', since: store.time.toISOString() }
  await putMark(repository, HOLD, ids[1] ?? '', hold)
  await applyPrune(job({ last: 3 }, { actor: 'canary' }))
  expect((await listRemoved(repository)).map(({ id }) => id)).toEqual([ids[0]])
  for (const key of await store.keys())
    expect({ key, isReadable: Buffer.from((await store.get(key)).bytes).includes('canary') }).toMatchObject({
      isReadable: false,
    })
  await undeleteBackup({ ...job(), backup: ids[0] ?? '' })
  await removeMark(repository, HOLD, ids[1] ?? '')
  await applyPrune(job({ last: 2 }, { purgeNow: true }))
  expect(await wholeBackups(repository)).toEqual(ids.slice(3))
})

test('a removed backup that lacks an object is not put back', async () => {
  const { store, repository, ids, job } = await fiveNights()
  await applyPrune(job({ last: 4 }))
  const [own = ''] = await store.keys(`objects/${ids[0] ?? ''}/`)
  await store.delete(own)
  await expect(undeleteBackup({ ...job(), backup: ids[0] ?? '' })).rejects.toMatchObject({
    exitCode: expect.any(Number),
  })
  expect(await store.keys('backups/')).toHaveLength(4)
  expect((await listRemoved(repository)).map(({ id }) => id)).toEqual([ids[0]])
})

test('two prunes at once are one after the other; a store that cannot tell them apart needs a promise', async () => {
  const { store, repository, job } = await fiveNights()
  const outcomes = await Promise.allSettled([applyPrune(job({ last: 4 })), applyPrune(job({ last: 4 }))])
  const refused = outcomes.filter(({ status }) => status === 'rejected')
  expect(refused).toMatchObject([{ reason: { code: 'MAINTENANCE_LOCKED', exitCode: 11 } }])
  store.capabilities = async () => ({ putNew: 'none', putIfMatch: false })
  const error = {
    code: 'NO_CONDITIONAL_WRITES',
    exitCode: 16,
    hint: expect.stringContaining('--single-writer'),
  }
  await expect(applyPrune(job({ last: 3 }))).rejects.toMatchObject(error)
  await applyPrune(job({ last: 3 }, { singleWriter: true }))
  expect(await wholeBackups(repository)).toHaveLength(3)
})

test('the plan is what happens, and changes nothing', async () => {
  const { store, job } = await fiveNights()
  for (const overrides of [{}, { purgeNow: true }]) {
    const keys = await store.keys()
    const plan = await planPrune(job({ last: 2, weekly: 1 }, overrides))
    expect(await store.keys()).toEqual(keys)
    const done = await applyPrune(job({ last: 2, weekly: 1 }, overrides))
    expect({ ...done, applied: false }).toEqual(plan)
  }
  expect(await store.keys('trash/')).toEqual([])
})

test('objects that a later backup took over stay when the one that wrote them is purged', async () => {
  const { repository, store, ids, job } = await fiveNights()
  const { freed } = await applyPrune(job({ last: 1 }, { purgeNow: true }))
  expect(freed.objects).toBeGreaterThan(0)
  expect(await wholeBackups(repository)).toEqual([ids[4]])
  // The collection that never changed was written by the first backup.
  expect((await store.keys('objects/')).some((key) => key.includes(ids[0] ?? ''))).toBe(true)
})

test('a held backup stays, in the list and in the trash; released, it goes', async () => {
  const { store, repository, ids, job } = await fiveNights()
  const [first = '', second = ''] = ids
  const hold = { reason: 'law', until: null, actor: 'a', since: store.time.toISOString() }
  await putMark(repository, HOLD, first, hold)
  const result = await applyPrune(job({ last: 3 }))
  expect(removedIn(result)).toEqual([second])
  await putMark(repository, HOLD, second, hold)
  await applyPrune(job({ last: 3 }, { purgeNow: true }))
  expect((await listRemoved(repository)).map(({ id }) => id)).toEqual([second])
  await removeMark(repository, HOLD, first)
  await removeMark(repository, HOLD, second)
  await applyPrune(job({ last: 3 }, { purgeNow: true }))
  expect(await listRemoved(repository)).toEqual([])
  expect(await wholeBackups(repository)).toEqual(ids.slice(2))
})

test('a series is pruned by itself, and nothing of another one is touched', async () => {
  const { repository, night, ids, job } = await fiveNights()
  const other = [await night(40, 'other'), await night(40, 'other')]
  const result = await applyPrune(job({ last: 1 }, { series: 'other', purgeNow: true }))
  expect(result.backups.map(({ series }) => series)).toEqual(['other', 'other'])
  expect(await wholeBackups(repository)).toEqual([...ids.slice(0, 5), other[1]].sort())
  await expect(planPrune(job({ last: 1 }, { series: 'othr' }))).rejects.toMatchObject({ exitCode: 10 })
})

test('nothing goes while the newest backup has lost more than half of the records, unless it is said', async () => {
  const { repository, store, now, ids, job } = await fiveNights()
  const small = sourceOf(collectionOf('steady', [numberedBatch(10)]))
  await createBackup(jobOf(repository, small, { now, allowShrink: true }))
  store.pass(DAY_MS)
  const plan = await planPrune(job({ last: 2 }))
  expect(plan.refusals).toMatchObject([{ code: 'NEWEST_SHRUNK' }])
  await expect(applyPrune(job({ last: 2 }))).rejects.toMatchObject({ code: 'NEWEST_SHRUNK', exitCode: 15 })
  expect(await store.keys('trash/')).toEqual([])
  await applyPrune(job({ last: 2 }, { allowShrink: true }))
  expect((await listRemoved(repository)).map(({ id }) => id)).toEqual(ids.slice(0, 4).reverse())
})

test('named backups go, whatever the rules; the last complete one and an unknown one do not', async () => {
  const { repository, ids, job } = await fiveNights()
  const [first = '', second = '', , , newest = ''] = ids
  await applyPrune(job({ last: 1 }, { named: [second, newest] }))
  expect(await wholeBackups(repository)).toEqual([first, ids[2], ids[3]])
  const all = job({}, { named: [first, ids[2], ids[3]] })
  await expect(applyPrune(all)).rejects.toMatchObject({ code: 'BACKUP_PROTECTED', exitCode: 15 })
  await expect(applyPrune(job({}, { named: ['nobody'] }))).rejects.toMatchObject({ exitCode: 10 })
  expect(await wholeBackups(repository)).toEqual([first, ids[2], ids[3]])
})

test.each([
  ['manifest', 'backups/', 'MANIFEST_DAMAGED'],
  ['catalogue', 'objects/', 'OBJECT_ALTERED'],
])('with a damaged %s nothing is purged, until that backup is given up', async (_, folder, code) => {
  const { store, repository, ids, job } = await fiveNights()
  const victim = ids[2] ?? ''
  const keys = await store.keys(folder === 'backups/' ? `backups/${victim}` : `objects/${victim}/`)
  for (const key of keys) {
    const { bytes } = await store.get(key)
    await store.put(
      key,
      bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
    )
  }
  const objects = await store.keys('objects/')
  const blocked = await applyPrune(job({ last: 3 }, { purgeNow: true }))
  expect(blocked.obstacles).toMatchObject([{ backup: victim, code, hint: expect.stringContaining(victim) }])
  expect(blocked).toMatchObject({ freed: { objects: 0 }, trash: [] })
  expect(await store.keys('objects/')).toEqual(objects)
  const named = await applyPrune(job({ last: 3 }, { named: [victim], purgeNow: true }))
  expect(named.obstacles).toEqual([])
  store.pass(8 * DAY_MS)
  const after = await applyPrune(job({ last: 3 }, { purgeNow: true }))
  expect(after.obstacles).toEqual([])
  expect((await store.keys('objects/')).length).toBeLessThan(objects.length)
  if (folder === 'backups/') expect(await wholeBackups(repository)).toEqual([ids[1], ids[3], ids[4]])
})

test('a machine whose clock is wrong removes nothing', async () => {
  const { store, job } = await fiveNights()
  const keys = await store.keys()
  for (const minutes of [-60 * 24 * 42, -90, -6, 6, 90, 60 * 13, 60 * 24 * 42]) {
    const now = () => new Date(store.time.getTime() + minutes * 60_000)
    const error = { code: 'CLOCK_SKEW', exitCode: 15 }
    await expect(planPrune(job({ last: 1 }, { now }))).rejects.toMatchObject(error)
    await expect(applyPrune(job({ last: 1 }, { now }))).rejects.toMatchObject(error)
  }
  expect((await store.keys()).filter((key) => !key.startsWith('probe/'))).toEqual(keys)
  const now = () => new Date(store.time.getTime() + 4 * 60_000)
  expect(removedIn(await applyPrune(job({ last: 1 }, { now })))).toHaveLength(4)
})

test('what a killed backup left is collected after the grace, and its run cannot commit any more', async () => {
  const { store, repository, now, job } = await fiveNights()
  const id = '20261125T020000Z-docs-7f3k'
  const session = { repository, backup: id, pins: [], host: 'h', actor: 'a', now, progress: silentProgress }
  const own = await Session.begin(session)
  const [key = ''] = await store.keys('objects/')
  const orphan = key.replace(/objects\/[^/]+/, `objects/${id}`)
  await store.put(orphan, (await store.get(key)).bytes)
  await store.put('objects/somebody-elses-file', Buffer.from('x'))
  store.pass(DAY_MS + 1)
  // Given up, but not yet old enough to be deleted.
  expect(await applyPrune(job())).toMatchObject({ givenUp: [id], freed: { objects: 0 } })
  expect(await store.keys('sessions/')).toEqual([])
  store.pass(7 * DAY_MS)
  expect(await applyPrune(job())).toMatchObject({ freed: { objects: 1 } })
  expect(await store.keys('objects/')).not.toContain(orphan)
  expect(await store.keys('objects/')).toContain('objects/somebody-elses-file')
  expect(await store.keys('locks/')).toContain(`locks/${id}.json`)
  await own.end()
})

test('a run that still shows signs of life keeps its objects, and the backup that it relies on', async () => {
  const { store, repository, now, ids, job } = await fiveNights()
  const id = '20261125T020000Z-docs-7f3k'
  const pins = [ids[0] ?? '']
  const own = await Session.begin({
    repository,
    backup: id,
    pins,
    host: 'h',
    actor: 'a',
    now,
    progress: silentProgress,
  })
  const [key = ''] = await store.keys('objects/')
  const orphan = key.replace(/objects\/[^/]+/, `objects/${id}`)
  await store.put(orphan, (await store.get(key)).bytes)
  const result = await applyPrune(job({ last: 1 }, { graceMs: 0, purgeNow: true }))
  expect(result).toMatchObject({ running: [id] })
  expect(result.backups.find((each) => each.id === pins[0])).toMatchObject({ reasons: ['in use'] })
  expect(await store.keys('objects/')).toContain(orphan)
  await own.end()
  expect(await wholeBackups(repository)).toEqual([ids[0], ids[4]])
})

test('a writer that may not delete is told so before anything is changed', async () => {
  const { store, job } = await fiveNights()
  const keys = await store.keys()
  store.delete = () => Promise.reject(new StoreAccessError('AccessDenied'))
  const error = { code: 'DELETION_NOT_ALLOWED', exitCode: 14, hint: expect.stringContaining('credentials') }
  await expect(applyPrune(job({ last: 1 }))).rejects.toMatchObject(error)
  expect((await store.keys()).filter((key) => !key.startsWith('probe/'))).toEqual(keys)
})

test('stopped at any deletion or write, prune loses nothing that is needed, and the next one finishes', async () => {
  let left = 0
  while (await isStoppedAfter(left)) left++
  expect(left).toBeGreaterThan(10)
})

/** Whether a prune was stopped after so many changes; checks what is left, and that the next one finishes. */
async function isStoppedAfter(changes: number): Promise<boolean> {
  const { store, repository, ids, job } = await fiveNights()
  await applyPrune(job({ last: 3 }))
  store.pass(8 * DAY_MS)
  const remove = store.delete.bind(store)
  const write = store.put.bind(store)
  let left = changes
  const tick = () => {
    if (left-- <= 0) throw new StoreUnreachableError('power cut')
  }
  store.delete = async (key, signal) => {
    tick()
    await remove(key, signal)
  }
  store.put = async (key, bytes, signal) => {
    tick()
    await write(key, bytes, signal)
  }
  let isStopped = false
  try {
    await applyPrune(job({ last: 1 }, { singleWriter: true }))
  } catch (error) {
    expect(error).toBeInstanceOf(StoreUnreachableError)
    isStopped = true
  }
  store.delete = remove
  store.put = write
  const whole = await wholeBackups(repository)
  expect(whole).toContain(ids[4])
  // What was in the trash for longer than the grace may be gone; what was removed only now may not.
  const present = [...whole, ...(await listRemoved(repository)).map(({ id }) => id)]
  expect(present).toEqual(expect.arrayContaining(ids.slice(2)))
  await applyPrune(job({ last: 1 }))
  store.pass(8 * DAY_MS)
  await applyPrune(job({ last: 1 }))
  expect(await wholeBackups(repository)).toEqual([ids[4]])
  expect(await listRemoved(repository)).toEqual([])
  const plan = await planPrune(job({ last: 1 }))
  expect(plan).toMatchObject({ freed: { objects: 0 }, freedLater: { objects: 0 }, trash: [] })
  return isStopped
}
