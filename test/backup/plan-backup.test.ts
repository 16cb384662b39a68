import { expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { planBackup } from '../../src/backup/plan-backup.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { FaultyStore } from '../helpers/faulty-store.js'

const docs = collectionOf('docs', [numberedBatch(100, 8, 'd')])
const images = collectionOf('images', [numberedBatch(20, 16, 'i')])

test('counts records and estimates bytes, and writes nothing', async () => {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const before = await store.keys()
  const plan = await planBackup(jobOf(repository, sourceOf(docs, images)))
  expect(plan).toMatchObject({ series: 'docs', records: 120, previous: null, refusals: [] })
  expect(plan.collections).toMatchObject([
    { name: 'docs', records: 100, dimension: 8 },
    { name: 'images', records: 20, dimension: 16 },
  ])
  expect(plan.logicalBytes).toBeGreaterThan(100 * 8 * 4 + 20 * 16 * 4)
  expect(await store.keys()).toEqual(before)
})

test('learns the size of records from the previous backup', async () => {
  const repository = await newRepository()
  const { head, collections } = await createBackup(jobOf(repository, sourceOf(docs, images)))
  const plan = await planBackup(jobOf(repository, sourceOf(docs, images)))
  expect(plan.previous).toEqual({ id: head.id, records: 120, durationMs: head.durationMs })
  expect(plan.logicalBytes).toBe(head.sizes.logical)
  expect(plan.collections.map(({ logicalBytes }) => logicalBytes)).toEqual(
    collections.map(({ logicalBytes }) => logicalBytes),
  )
})

test('says what a guard would refuse', async () => {
  const repository = await newRepository()
  const empty = await planBackup(jobOf(repository, sourceOf()))
  expect(empty.refusals).toMatchObject([{ code: 'SOURCE_EMPTY' }])
  await createBackup(jobOf(repository, sourceOf(docs, images)))
  const shrunk = await planBackup(jobOf(repository, sourceOf(images)))
  expect(shrunk.refusals).toMatchObject([{ code: 'SOURCE_SHRUNK' }])
  const allowed = await planBackup(jobOf(repository, sourceOf(images), { allowShrink: true }))
  expect(allowed.refusals).toEqual([])
})

test('refuses patterns that match nothing, as the backup would', async () => {
  const repository = await newRepository()
  const job = jobOf(repository, sourceOf(docs), { collections: ['nope'] })
  await expect(planBackup(job)).rejects.toMatchObject({ exitCode: 10 })
})
