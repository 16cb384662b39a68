import { expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { resolveBackup } from '../../src/backup/resolve-backup.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress, type ProgressEvent } from '../../src/core/progress.js'
import { StoreUnreachableError } from '../../src/storage/blob-store.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'

/** Vectors so long that each fills an object. */
const wide = collectionOf('wide', [numberedBatch(8, 550_000, 'w')])

async function setUp() {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const source = sourceOf(wide, collectionOf('empty', []))
  const { head } = await createBackup(jobOf(repository, source))
  return { store, job: { repository, head, progress: silentProgress } }
}

test('tells how much there was and how much was read', async () => {
  const { store, job } = await setUp()
  const events: ProgressEvent[] = []
  const progress = { update: (event: ProgressEvent) => events.push(event), warn: () => {} }
  const report = await verifyBackup({ ...job, progress })
  const sizes = await Promise.all(
    (await store.keys('objects/')).map(async (key) => (await store.stat(key)).size),
  )
  expect(report).toMatchObject({
    backup: job.head.id,
    status: 'ok',
    sample: 1,
    depth: 'stored',
    collections: 2,
    records: 8,
    objects: {
      total: sizes.length,
      checked: sizes.length,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      reread: 0,
    },
  })
  expect(events.at(-1)).toMatchObject({ task: 'verify', phase: 'verify', unit: 'objects', state: 'done' })
})

test('a sample reads its share, and never nothing', async () => {
  const { job } = await setUp()
  const some = await verifyBackup({ ...job, sample: 0.1 })
  expect(some.objects.checked).toBeLessThan(some.objects.total)
  expect(some).toMatchObject({ status: 'ok', sample: 0.1 })
  const least = await verifyBackup({ ...job, sample: 0.000001, depth: 'records' })
  expect(least).toMatchObject({ status: 'ok' })
  expect(least.objects.checked).toBeGreaterThanOrEqual(2)
})

test('samples find damage sooner or later', async () => {
  const { store, job } = await setUp()
  const [key = ''] = await store.keys('objects/')
  await store.damage(key, (bytes) => withFlippedBit(bytes, 8))
  for (let found = false, run = 0; !found; run++) {
    expect(run).toBeLessThan(200)
    found = (await verifyBackup({ ...job, sample: 0.2 })).status === 'damaged'
  }
})

test.each([0, -1, 1.01, NaN])('a sample of %d is a usage error', async (sample) => {
  const { job } = await setUp()
  await expect(verifyBackup({ ...job, sample })).rejects.toMatchObject({ exitCode: 2 })
})

test('a store that fails is not taken for damage', async () => {
  const { store, job } = await setUp()
  const get = store.get.bind(store)
  store.get = async (key, options) => {
    if (key.startsWith('objects/')) throw new StoreUnreachableError('connection reset')
    return get(key, options)
  }
  await expect(verifyBackup(job)).rejects.toMatchObject({ exitCode: 12 })
})

test('stops when it is told to', async () => {
  const { job } = await setUp()
  await expect(verifyBackup({ ...job, signal: AbortSignal.abort() })).rejects.toMatchObject({ exitCode: 130 })
})

test('a backup whose manifest was removed meanwhile is damaged', async () => {
  const { store, job } = await setUp()
  expect(await resolveBackup(job.repository, 'latest')).toEqual(job.head)
  await store.delete(`backups/${job.head.id}.json`)
  expect((await verifyBackup(job)).problems).toMatchObject([
    { code: 'MANIFEST_DAMAGED', problem: 'manifest' },
  ])
})
