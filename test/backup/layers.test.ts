import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { objectsOf } from '../../src/backup/backup-objects.js'
import { BackupSource } from '../../src/backup/backup-source.js'
import { readCatalogue } from '../../src/backup/catalogue-reader.js'
import { readContents } from '../../src/backup/contents.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { findRecords } from '../../src/backup/find-records.js'
import { encodeHead, type BackupHead } from '../../src/backup/manifest.js'
import { ObjectReader } from '../../src/backup/object-reader.js'
import { objectKey } from '../../src/backup/object-reference.js'
import type { Repository } from '../../src/backup/repository.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import type { RecordSource } from '../../src/core/records.js'
import {
  collectionOf,
  jobOf,
  newEncryptedRepository,
  newRepository,
  numberedBatch,
  readEverything,
  recordedProgress,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'
import { anyTimeline, ModelCollection, type Change } from '../helpers/timelines.js'

const always = { leastBytes: 0 }

async function setUp(make: (store: FaultyStore) => Promise<Repository> = newRepository) {
  const store = new FaultyStore()
  const repository = await make(store)
  let night = 0
  const backUp = async (source: RecordSource, overrides: Parameters<typeof jobOf>[2] = {}) => {
    const now = new Date(Date.UTC(2026, 10, 20 + night++, 2))
    const job = { now: () => now, layers: always, allowShrink: true, allowEmpty: true, ...overrides }
    return (await createBackup(jobOf(repository, source, job))).head
  }
  const expectEqual = async (head: BackupHead, expected: RecordSource) => {
    expect(await readEverything(new BackupSource(repository, head))).toEqual(await readEverything(expected))
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.problems).toEqual([])
  }
  const layersOf = async (head: BackupHead) => {
    const contents = await readContents(repository, head)
    const [entry] = contents.collections
    if (entry === undefined) throw new Error('no collection')
    const reader = new ObjectReader({ repository, backup: head.id })
    return (await readCatalogue(reader, contents, entry)).layers
  }
  return { store, repository, backUp, expectEqual, layersOf }
}

describe('a timeline of backups', () => {
  const numbers = {
    records: fc.integer({ min: 1, max: 60 }),
    rows: fc.integer({ min: 1, max: 50 }),
    mostLayers: fc.integer({ min: 1, max: 4 }),
  }

  test('is read back as it was, whatever happened, when everything else has expired too', async () => {
    await fc.assert(
      fc.asyncProperty(anyTimeline(7), fc.record(numbers), (days, sizes) => live(days, sizes, newRepository)),
      { numRuns: 40 },
    )
  })

  test('is read back in an encrypted repository, with vectors that get lost and come back', async () => {
    await fc.assert(
      fc.asyncProperty(anyTimeline(6, true), fc.record(numbers), (days, sizes) =>
        live(days, sizes, newEncryptedRepository),
      ),
      { numRuns: 12 },
    )
  })

  async function live(
    timeline: readonly (readonly Change[])[],
    { records, rows, mostLayers }: { records: number; rows: number; mostLayers: number },
    make: (store: FaultyStore) => Promise<Repository>,
  ): Promise<void> {
    const { store, repository, backUp, expectEqual } = await setUp(make)
    const model = new ModelCollection('docs', 3, records)
    const heads: BackupHead[] = []
    const sources: RecordSource[] = []
    for (const day of timeline) {
      for (const change of day) model.apply(change)
      const source = sourceOf(model.collection(rows))
      const head = await backUp(source, { layers: { ...always, mostLayers } })
      await expectEqual(head, source)
      heads.push(head)
      sources.push(source)
    }
    const wanted = ['r0', 'r1', 'r2']
    const report = await findRecords({ repository, ids: wanted, progress: silentProgress })
    const found = report.backups.find(({ backup }) => backup === heads.at(-1)?.id)
    const expected = model.ids.filter((id) => wanted.includes(id))
    expect(found?.collections.flatMap(({ ids }) => ids) ?? []).toEqual(expected)
    for (const head of heads.slice(0, -1)) {
      await store.delete(`backups/${head.id}.json`)
    }
    const [last] = heads.slice(-1)
    const [source] = sources.slice(-1)
    if (last === undefined || source === undefined) throw new Error('no backup')
    const needed = new Set<string>()
    for await (const reference of objectsOf(repository, last)) needed.add(objectKey(reference))
    for (const key of await store.keys('objects/')) if (!needed.has(key)) await store.delete(key)
    await expectEqual(last, source)
  }
})

describe('a layer', () => {
  const grown = (days: number) => {
    const model = new ModelCollection('docs', 3, 200)
    for (let day = 0; day < days; day++) model.apply({ kind: 'both', record: day })
    return sourceOf(model.collection(64))
  }

  test('holds what changed, and nothing else', async () => {
    const { backUp, expectEqual, layersOf } = await setUp()
    const model = new ModelCollection('docs', 3, 100)
    const first = await backUp(sourceOf(model.collection(33)))
    for (const record of [3, 50]) model.apply({ kind: 'payload', record })
    model.apply({ kind: 'delete', record: 98 })
    model.apply({ kind: 'readd', record: 7 })
    model.apply({ kind: 'add', record: 300 })
    const source = sourceOf(model.collection(33))
    const head = await backUp(source)
    expect(first).toMatchObject({ type: 'full', requires: [], parent: null })
    expect(head).toMatchObject({ type: 'incremental', requires: ['layers'], parent: first.id })
    const [layer] = await layersOf(head)
    const rows = (groups: readonly { rows: number }[] = []) =>
      groups.reduce((sum, group) => sum + group.rows, 0)
    expect([rows(layer?.replacements), layer?.deleted, rows(layer?.appends)]).toEqual([2, 2, 2])
    await expectEqual(head, source)
  })

  test('is not made when nothing changed; a new description needs none', async () => {
    const { store, backUp, expectEqual, layersOf } = await setUp()
    await backUp(grown(0))
    const second = await backUp(grown(1))
    const before = await store.keys('objects/')
    const third = await backUp(grown(1))
    expect(await store.keys('objects/')).toEqual(before)
    expect(third).toMatchObject({ parent: second.id, requires: ['layers'], sizes: { added: 0 } })
    expect(await layersOf(third)).toHaveLength(1)
    await expectEqual(third, grown(1))
  })

  test('comes above another, up to 32 of them', async () => {
    const days = 34
    const { backUp, expectEqual, layersOf } = await setUp()
    const counts: number[] = []
    const model = new ModelCollection('docs', 3, 400)
    await backUp(sourceOf(model.collection(100)))
    for (let day = 0; day < days; day++) {
      model.apply({ kind: 'vector', record: day % 5 })
      model.apply({ kind: 'delete', record: 200 + day })
      model.apply({ kind: 'add', record: 1000 + day })
      const source = sourceOf(model.collection(100))
      const head = await backUp(source)
      counts.push((await layersOf(head)).length)
      if (day === 31 || day >= days - 2) await expectEqual(head, source)
    }
    expect(counts.slice(0, 32)).toEqual(Array.from({ length: 32 }, (__, layer) => layer + 1))
    expect(counts.slice(32)).toEqual(Array.from({ length: days - 32 }, (__, layer) => layer))
  })
})

describe('vectors that the source has lost', () => {
  test('make a layer, in which they are missing, and are not what the next backup builds on', async () => {
    const { backUp, expectEqual, layersOf } = await setUp(newEncryptedRepository)
    const model = new ModelCollection('docs', 3, 100)
    const first = await backUp(sourceOf(model.collection(30)))
    for (const record of [3, 50, 99]) model.apply({ kind: 'lose', record })
    const lost = sourceOf(model.collection(30))
    const partial = await backUp(lost)
    expect(partial).toMatchObject({ status: 'partial', parent: first.id, counts: { missingVectors: 3 } })
    const [layer] = await layersOf(partial)
    expect(layer?.replacements.flatMap(({ missing }) => missing)).toEqual([[0, 3]])
    await expectEqual(partial, lost)
    model.apply({ kind: 'regain', record: 1 })
    const fewer = sourceOf(model.collection(30))
    const still = await backUp(fewer)
    expect(still).toMatchObject({ status: 'partial', parent: first.id, counts: { missingVectors: 2 } })
    await expectEqual(still, fewer)
    for (const record of [0, 0]) model.apply({ kind: 'regain', record })
    const whole = sourceOf(model.collection(30))
    const third = await backUp(whole)
    expect(third).toMatchObject({ status: 'complete', parent: first.id, sizes: { added: 0 } })
    await expectEqual(third, whole)
  })

  test('in a base stay missing in layers above it', async () => {
    const { repository, backUp, expectEqual, layersOf } = await setUp()
    const model = new ModelCollection('docs', 3, 100)
    for (const record of [0, 40, 41]) model.apply({ kind: 'lose', record })
    const base = await backUp(sourceOf(model.collection(30)))
    // As if it were complete: this version never builds on others, another one may.
    const key = `backups/${base.id}.json`
    await repository.store.delete(key)
    await repository.store.put(key, encodeHead(repository, { ...base, status: 'complete' }))
    model.apply({ kind: 'regain', record: 0 })
    model.apply({ kind: 'lose', record: 70 })
    model.apply({ kind: 'payload', record: 40 })
    const source = sourceOf(model.collection(30))
    const head = await backUp(source)
    const [layer] = await layersOf(head)
    expect(layer?.replacements.flatMap(({ rows, missing }) => [rows, ...missing])).toEqual([3, [1, 2]])
    await expectEqual(head, source)
  })
})

describe('a new base is made', () => {
  const model = () => new ModelCollection('docs', 3, 100)

  test.each([
    ['more than half changed', () => ({ kind: 'many' as const, record: 0, rows: 51 })],
    ['the order changed', () => ({ kind: 'reverse' as const })],
    ['the collection was created anew', () => ({ kind: 'recreate' as const })],
  ])('when %s', async (_, change) => {
    const { backUp, expectEqual, layersOf } = await setUp()
    const collection = model()
    await backUp(sourceOf(collection.collection(30)))
    collection.apply({ kind: 'both', record: 1 })
    expect(await layersOf(await backUp(sourceOf(collection.collection(30))))).toHaveLength(1)
    collection.apply(change())
    const source = sourceOf(collection.collection(30))
    const head = await backUp(source)
    expect(head).toMatchObject({ type: 'incremental', requires: [] })
    await expectEqual(head, source)
  })

  test('when layers together changed more than half', async () => {
    const { backUp, layersOf } = await setUp()
    const collection = model()
    const counts: number[] = []
    for (let day = 0; day < 6; day++) {
      const head = await backUp(sourceOf(collection.collection(30)))
      counts.push((await layersOf(head)).length)
      collection.apply({ kind: 'many', record: 0, rows: 15 })
    }
    expect(counts).toEqual([0, 1, 2, 3, 0, 1])
  })

  test('not when only the name changed', async () => {
    const { backUp, expectEqual, layersOf } = await setUp()
    const collection = model()
    await backUp(sourceOf(collection.collection(30)))
    collection.apply({ kind: 'rename' })
    collection.apply({ kind: 'both', record: 1 })
    const source = sourceOf(collection.collection(30))
    const head = await backUp(source)
    expect(await layersOf(head)).toHaveLength(1)
    await expectEqual(head, source)
  })

  test('for small collections, always', async () => {
    const { backUp, layersOf } = await setUp()
    const collection = model()
    await backUp(sourceOf(collection.collection(30)), { layers: undefined })
    collection.apply({ kind: 'both', record: 1 })
    const head = await backUp(sourceOf(collection.collection(30)), { layers: undefined })
    expect(await layersOf(head)).toEqual([])
  })

  test.each(['altered', 'deleted'])('when the index of the parent is %s, and says so', async (fault) => {
    const { store, backUp, expectEqual, layersOf } = await setUp()
    const collection = model()
    const first = await backUp(sourceOf(collection.collection(30)))
    collection.apply({ kind: 'both', record: 1 })
    for (const key of await store.keys(`objects/${first.id}/`)) {
      const { size } = await store.stat(key)
      // 100 ids of three bytes, their lengths and digests.
      if (size < 3000 || size > 4400) continue
      if (fault === 'deleted') await store.delete(key)
      else await store.damage(key, (bytes) => withFlippedBit(bytes, 99))
    }
    const progress = recordedProgress()
    const source = sourceOf(collection.collection(30))
    const head = await backUp(source, { progress })
    expect(progress.warnings.map(({ code }) => code)).toEqual(['PARENT_DAMAGED'])
    expect(await layersOf(head)).toEqual([])
    await expectEqual(head, source)
  })
})

describe('backups of several series', () => {
  test('build on those of their own only', async () => {
    const { backUp, expectEqual, layersOf } = await setUp()
    const collection = new ModelCollection('docs', 3, 100)
    const a = await backUp(sourceOf(collection.collection(30)), { series: 'a' })
    collection.apply({ kind: 'both', record: 1 })
    const b = await backUp(sourceOf(collection.collection(30)), { series: 'b' })
    expect(b).toMatchObject({ type: 'full', parent: null })
    collection.apply({ kind: 'both', record: 2 })
    const source = sourceOf(collection.collection(30))
    const next = await backUp(source, { series: 'a' })
    expect(next).toMatchObject({ type: 'incremental', parent: a.id })
    const [layer] = await layersOf(next)
    expect(layer?.replacements[0]?.rows).toBe(2)
    await expectEqual(next, source)
  })
})

describe('the type that is asked for', () => {
  const source = () => sourceOf(collectionOf('docs', [numberedBatch(50)]))

  test('incremental is refused where there is nothing to build on', async () => {
    const { store, backUp } = await setUp()
    await expect(backUp(source(), { type: 'incremental' })).rejects.toMatchObject({
      code: 'NO_PARENT',
      exitCode: 15,
    })
    expect(await store.keys('backups/')).toEqual([])
    expect(await store.keys('sessions/')).toEqual([])
    await backUp(source())
    expect(await backUp(source(), { type: 'incremental' })).toMatchObject({ type: 'incremental' })
  })

  test('full stores everything anew', async () => {
    const { backUp, expectEqual } = await setUp()
    await backUp(source())
    const head = await backUp(source(), { type: 'full' })
    expect(head).toMatchObject({ type: 'full', parent: null, sizes: { added: head.sizes.stored } })
    await expectEqual(head, source())
  })

  test('collection needs to know which', async () => {
    const { backUp } = await setUp()
    await expect(backUp(source(), { type: 'collection' })).rejects.toMatchObject({ exitCode: 2 })
    const head = await backUp(source(), { type: 'collection', collections: ['docs'] })
    expect(head.type).toBe('collection')
  })
})
