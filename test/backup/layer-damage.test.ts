import { expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import type { Catalogue } from '../../src/backup/catalogue.js'
import { readCatalogue } from '../../src/backup/catalogue-reader.js'
import { readContents } from '../../src/backup/contents.js'
import { createBackup } from '../../src/backup/create-backup.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import { encodeTombstone } from '../../src/backup/layer-edits.js'
import { ObjectReader } from '../../src/backup/object-reader.js'
import { ObjectWriter } from '../../src/backup/object-writer.js'
import { ObjectTable } from '../../src/backup/object-table.js'
import { pendingExtents } from '../../src/backup/reuse.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { verifyOrder } from '../../src/backup/verify-order.js'
import { readIndex } from '../../src/backup/read-index.js'
import { DigestSum } from '../../src/core/digest.js'
import { silentProgress } from '../../src/core/progress.js'
import { jobOf, newRepository, readEverything, sourceOf } from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'
import { ModelCollection } from '../helpers/timelines.js'

/** A base and a layer of each kind of change. */
async function setUp() {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const model = new ModelCollection('docs', 3, 50)
  const heads: BackupHead[] = []
  for (let night = 0; night < 2; night++) {
    const now = new Date(Date.UTC(2026, 10, 20 + night, 2))
    const source = sourceOf(model.collection(20))
    heads.push(
      (await createBackup(jobOf(repository, source, { now: () => now, layers: { leastBytes: 0 } }))).head,
    )
    for (const record of [3, 9]) model.apply({ kind: 'both', record })
    model.apply({ kind: 'delete', record: 20 })
    model.apply({ kind: 'add', record: 70 })
  }
  const [base, head] = heads
  if (base === undefined || head === undefined) throw new Error('no backups')
  const contents = await readContents(repository, head)
  const [entry] = contents.collections
  if (entry === undefined) throw new Error('no collection')
  const objects = new ObjectReader({ repository, backup: head.id })
  const catalogue = await readCatalogue(objects, contents, entry)
  return { store, repository, head, objects, catalogue }
}

test('each damaged object of a layer is found, named, and never restored wrong', async () => {
  const { store, repository, head } = await setUp()
  const truth = await readEverything(new BackupSource(repository, head))
  const keys = await store.keys(`objects/${head.id}/`)
  // Replacements, appends, places, tombstones, catalogue.
  expect(keys).toHaveLength(9)
  for (const key of keys) {
    const whole = Buffer.from((await store.get(key)).bytes)
    for (const fault of ['flip', 'cut', 'delete']) {
      if (fault === 'delete') await store.delete(key)
      else await store.put(key, fault === 'flip' ? withFlippedBit(whole, 40) : whole.subarray(1))
      const report = await verifyBackup({ repository, head, progress: silentProgress })
      expect(report).toMatchObject({ status: 'damaged', exitCode: 13 })
      expect(report.problems).toEqual([
        expect.objectContaining({
          key,
          collections: ['default_tenant/default_database/docs'],
          backups: [head.id],
        }),
      ])
      // Index pages are not needed for it.
      const read = await readEverything(new BackupSource(repository, head)).catch((error: unknown) => error)
      if (Array.isArray(read)) expect(read).toEqual(truth)
      else expect(read).toMatchObject({ exitCode: 13 })
    }
    await store.put(key, whole)
  }
  expect(
    (await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })).problems,
  ).toEqual([])
})

test.each([
  ['a replacement of another record', { places: [4, 9] }, 'put "r3" where it was not'],
  ['a replacement of what is not there', { places: [3, 50] }, 'replaces rows that are not there'],
  ['replacements out of order', { places: [9, 3] }, 'replaces rows that are not there'],
  [
    'a tombstone for another record',
    { tombstone: { place: 21, id: 'r20' } },
    'delete "r20" where it was not',
  ],
  [
    'a tombstone that hits nothing',
    { tombstone: { place: 60, id: 'r20' } },
    'deletes rows that are not there',
  ],
  ['a tombstone for what is replaced', { tombstone: { place: 3, id: 'r4' } }, 'delete "r4" where it was not'],
])('%s is found', async (_, edit, message) => {
  const { repository, head, objects, catalogue } = await setUp()
  const [layer] = catalogue.layers
  if (layer === undefined) throw new Error('no layer')
  const writer = new ObjectWriter({ repository, backup: head.id, concurrency: 1 })
  const places = 'places' in edit ? Buffer.from(Uint32Array.from(edit.places).buffer) : null
  const tombstone = 'tombstone' in edit ? encodeTombstone(edit.tombstone) : null
  const pending = {
    places: places && (await writer.append('places', [places])),
    tombstones: tombstone && (await writer.append('tombstones', [tombstone])),
  }
  await writer.finish()
  const table = new ObjectTable()
  // The old ones keep their numbers.
  table.extents(
    pendingExtents(
      catalogue.objects.map((each, at) => [at, 0, each.length]),
      catalogue.objects,
    ),
  )
  const forged: Catalogue = {
    ...catalogue,
    layers: [
      {
        ...layer,
        places: pending.places === null ? layer.places : table.extents(pending.places),
        tombstones: pending.tombstones === null ? layer.tombstones : table.extents(pending.tombstones),
      },
    ],
    objects: table.references,
  }
  const job = { objects, catalogue, purpose: { collection: 'docs' } }
  await verifyOrder(job)
  await expect(verifyOrder({ ...job, catalogue: forged })).rejects.toMatchObject({
    code: 'OBJECT_INCONSISTENT',
    key: expect.stringContaining(`objects/${head.id}/`),
    message: expect.stringContaining(message),
  })
})

test('an id that comes twice is found', async () => {
  const { objects, catalogue } = await setUp()
  const [layer] = catalogue.layers
  if (layer === undefined) throw new Error('no layer')
  const again = { ...layer, replacements: [], places: [], tombstones: [], deleted: 0 }
  const twice: Catalogue = { ...catalogue, layers: [layer, again] }
  const job = { objects, catalogue: twice, purpose: { collection: 'docs' } }
  await expect(verifyOrder(job)).rejects.toMatchObject({ message: expect.stringContaining('do not add up') })
  const sums = { payload: new DigestSum(), vectors: new DigestSum() }
  for await (const rows of readIndex(job))
    for (const { payload, vector } of rows) {
      sums.payload.add(payload)
      sums.vectors.add(vector)
    }
  const digest = { payload: sums.payload.hex(), vectors: sums.vectors.hex() }
  await expect(verifyOrder({ ...job, catalogue: { ...twice, digest } })).rejects.toMatchObject({
    message: expect.stringContaining('have the id "r70" twice'),
  })
})
