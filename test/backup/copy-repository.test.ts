import { beforeEach, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { backupsToCopy, copyBackups, isSameKey } from '../../src/backup/copy-repository.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { recordErasure } from '../../src/backup/erasures.js'
import { applyPrune } from '../../src/backup/prune-repository.js'
import { listBackups } from '../../src/backup/list-backups.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import { initMirror, openRepository, type Repository } from '../../src/backup/repository.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  KEY,
  keyOf,
  newEncryptedRepository,
  newRepository,
  numberedBatch,
  readEverything,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'
import { pruneJob, wholeBackups } from '../helpers/prunes.js'
import { ModelCollection } from '../helpers/timelines.js'

const OTHER = keyOf('another key')
const small = collectionOf('small', [numberedBatch(40, 4, 's')])
const source = sourceOf(collectionOf('large', [numberedBatch(2600, 64, 'l')]), small)
const grown = sourceOf(
  collectionOf('large', [numberedBatch(2600, 64, 'l'), numberedBatch(30, 64, 'm')]),
  small,
)

let target: FaultyStore

beforeEach(() => {
  target = new FaultyStore()
})

async function filled(from: Repository): Promise<Repository> {
  for (const [night, records] of [source, source, grown].entries()) {
    const now = () => new Date(FIRST_NIGHT.getTime() + night * 86_400_000)
    await createBackup(jobOf(from, records, { now }))
  }
  return from
}

const copy = async (from: Repository, to: Repository) =>
  copyBackups({
    from,
    to,
    backups: (await backupsToCopy(from)).heads,
    actor: 'tester',
    host: 'testhost',
    singleWriter: false,
    concurrency: 3,
    now: () => new Date(),
    progress: silentProgress,
  })

async function expectSame(from: Repository, to: Repository): Promise<void> {
  const [ours, theirs] = [await listBackups(from), await listBackups(to)]
  expect(theirs.map(({ id }) => id)).toEqual(ours.map(({ id }) => id))
  for (const [index, { head }] of theirs.entries()) {
    const own = ours[index]?.head
    if (head === null || own === null || own === undefined) throw new Error('a damaged manifest')
    expect(
      await verifyBackup({ repository: to, head, depth: 'records', progress: silentProgress }),
    ).toMatchObject({
      status: 'ok',
    })
    expect(await readEverything(new BackupSource(to, head))).toEqual(
      await readEverything(new BackupSource(from, own)),
    )
  }
}

test.each([
  ['plain', 'plain', async () => newRepository(), async () => newRepository(target)],
  ['plain', 'encrypted', async () => newRepository(), async () => newEncryptedRepository(target)],
  ['encrypted', 'plain', async () => newEncryptedRepository(), async () => newRepository(target)],
  [
    'encrypted',
    'newly encrypted',
    async () => newEncryptedRepository(),
    async () => newEncryptedRepository(target, OTHER),
  ],
])(
  'a copy of a %s repository into a %s one is equal; a second run writes nothing',
  async (_a, _b, make, makeTarget) => {
    const from = await filled(await make())
    const to = await makeTarget()
    const first = await copy(from, to)
    expect(first).toMatchObject({ failed: [], present: [], removed: [] })
    expect(first.copied).toHaveLength(3)
    await expectSame(from, to)
    const keys = await target.keys('objects/')
    expect(first.objects).toBeLessThanOrEqual(keys.length)
    expect(await copy(from, to)).toMatchObject({ copied: [], objects: 0 })
    expect(await target.keys('objects/')).toEqual(keys)
  },
)

test('layers above a base go along, and outlive the backups that they were built on', async () => {
  const from = await newEncryptedRepository()
  const model = new ModelCollection('docs', 3, 120)
  const heads: BackupHead[] = []
  for (let night = 0; night < 4; night++) {
    for (const kind of ['both', 'readd', 'delete'] as const)
      if (night > 0) model.apply({ kind, record: 10 * night })
    const now = () => new Date(FIRST_NIGHT.getTime() + night * 60_000)
    const job = { now, layers: { leastBytes: 0 }, type: night === 0 ? 'full' : 'incremental' } as const
    heads.push((await createBackup(jobOf(from, sourceOf(model.collection(40)), job))).head)
  }
  expect(heads.map(({ requires }) => requires.length)).toEqual([0, 1, 1, 1])
  const to = await newEncryptedRepository(target, OTHER)
  expect(await copy(from, to)).toMatchObject({ failed: [] })
  await expectSame(from, to)
  const last = heads.at(-1)
  if (last === undefined) throw new Error('no backup')
  const parents = heads.slice(0, -1).map(({ id }) => id)
  await applyPrune(
    pruneJob(to, () => new Date(), {}, { named: parents, graceMs: 0, purgeNow: true, allowShrink: true }),
  )
  expect(await wholeBackups(to)).toEqual([last.id])
  const [entry] = await listBackups(to)
  if (entry?.head == null) throw new Error('a damaged manifest')
  const { head } = entry
  const report = await verifyBackup({ repository: to, head, depth: 'records', progress: silentProgress })
  expect(report.problems).toEqual([])
  expect(await readEverything(new BackupSource(to, head))).toEqual(
    await readEverything(sourceOf(model.collection(40))),
  )
})

test('a mirror has the id, the keys and the very bytes of the original', async () => {
  const store = new FaultyStore()
  const from = await filled(await newEncryptedRepository(store))
  expect(await initMirror(store, target)).toBe(true)
  expect(await initMirror(store, target)).toBe(false)
  const to = await openRepository({ store: target, key: () => Promise.resolve(KEY) })
  expect(isSameKey(from, to)).toBe(true)
  await copy(from, to)
  await expectSame(from, to)
  expect(await target.keys('objects/')).toEqual(await store.keys('objects/'))
})

test('a run that was stopped goes on where it was', async () => {
  const from = await filled(await newRepository())
  const to = await newEncryptedRepository(target)
  let writes = 0
  target.beforePut = (key) => {
    if (key.startsWith('objects/') && ++writes > 3) throw new Error('the power is gone')
  }
  await expect(copy(from, to)).rejects.toThrow('the power is gone')
  target.beforePut = () => {}
  const before = await target.keys('objects/')
  expect(before.length).toBeGreaterThan(0)
  await copy(from, to)
  await expectSame(from, to)
  const ids = (await target.keys('objects/')).map((key) => key.replace(/\.[^.]+$/, ''))
  expect(new Set(ids).size).toBe(ids.length)
})

test('a damaged object fails the backups that need it, and no other', async () => {
  const store = new FaultyStore()
  const from = await filled(await newRepository(store))
  const own = (await backupsToCopy(from)).heads[0]?.id ?? ''
  const [key = ''] = await store.keys(`objects/${own}/`)
  await store.damage(key, (bytes) => withFlippedBit(bytes, 100))
  const report = await copy(from, await newEncryptedRepository(target))
  expect(report.failed).toMatchObject([{ id: own, code: 'OBJECT_ALTERED' }])
  expect(report.copied).toHaveLength(2)
  expect(await target.keys('backups/')).toHaveLength(2)
})

test('what was erased stays erased in the copy', async () => {
  const from = await filled(await newRepository())
  const heads = (await backupsToCopy(from)).heads
  const definition = { tenant: 'default_tenant', database: 'default_database', name: 'small', id: 'x' }
  const erasure = { ids: ['s1'], collections: [definition], backups: heads, actor: 'tester' }
  await recordErasure({ repository: from, ...erasure, now: () => new Date() })
  const to = await newEncryptedRepository(target)
  await copy(from, to)
  expect(await target.keys('erased/')).toHaveLength(1)
  const { Erasures } = await import('../../src/backup/erasures.js')
  const [head] = heads
  if (head === undefined) throw new Error('no backup')
  expect((await Erasures.read(to)).in(head, definition)?.has('s1')).toBe(true)
})
