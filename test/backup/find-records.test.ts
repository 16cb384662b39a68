import { describe, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { findRecords } from '../../src/backup/find-records.js'
import type { Repository } from '../../src/backup/repository.js'
import { silentProgress } from '../../src/core/progress.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import type { MemoryCollection } from '../helpers/memory-source.js'

/** Backs up `collections`, as the night number `night`. */
async function backUp(repository: Repository, night: number, ...collections: readonly MemoryCollection[]) {
  const now = () => new Date(Date.UTC(2026, 10, 20 + night, 2))
  const { head } = await createBackup(jobOf(repository, sourceOf(...collections), { now, allowShrink: true }))
  return head.id
}

function find(repository: Repository, ids: readonly string[], collections?: readonly string[]) {
  return findRecords({ repository, ids, collections, progress: silentProgress })
}

describe('findRecords', () => {
  test('names every backup and collection that holds a record, newest first', async () => {
    const repository = await newRepository()
    const first = await backUp(repository, 0, collectionOf('docs', [numberedBatch(50)]))
    await backUp(repository, 1, collectionOf('docs', [numberedBatch(20)]))
    const last = await backUp(
      repository,
      2,
      collectionOf('docs', [numberedBatch(45)]),
      collectionOf('images', [numberedBatch(50)]),
    )
    const report = await find(repository, ['r40', 'r49', 'nobody'])
    expect(report.backups).toEqual([
      expect.objectContaining({
        backup: last,
        collections: [
          expect.objectContaining({ name: 'docs', ids: ['r40'] }),
          expect.objectContaining({ name: 'images', ids: ['r40', 'r49'] }),
        ],
      }),
      expect.objectContaining({
        backup: first,
        collections: [expect.objectContaining({ name: 'docs', ids: ['r40', 'r49'] })],
      }),
    ])
    expect(report).toMatchObject({ ids: 3, nowhere: ['nobody'], searched: 3, unsearched: [] })
  })

  test('looks only into the collections that were asked for', async () => {
    const repository = await newRepository()
    await backUp(
      repository,
      0,
      collectionOf('docs', [numberedBatch(5)]),
      collectionOf('images', [numberedBatch(5)]),
    )
    const { backups } = await find(repository, ['r1'], ['im*'])
    expect(backups.flatMap(({ collections }) => collections.map(({ name }) => name))).toEqual(['images'])
    expect((await find(repository, ['r1'], ['gone'])).backups).toEqual([])
  })

  test('reads neither vectors nor documents, and shared pages once', async () => {
    const store = new CountingStore('counted')
    const repository = await newRepository(store)
    for (let night = 0; night < 3; night++)
      await backUp(repository, night, collectionOf('docs', [numberedBatch(9_000, 16)]))
    store.bytes = 0
    const { backups } = await find(repository, ['r8999'])
    expect(backups).toHaveLength(3)
    // The ids and digests of 9,000 records are 370 kB, their vectors 576 kB.
    expect(store.bytes).toBeLessThan(500_000)
  })

  test('what is damaged is named, and the rest is searched', async () => {
    const store = new MemoryStore('damaged')
    const repository = await newRepository(store)
    const whole = await backUp(repository, 0, collectionOf('docs', [numberedBatch(5)]))
    const broken = await backUp(repository, 1, collectionOf('docs', [numberedBatch(6)]))
    const keys: string[] = []
    for await (const { key } of store.list(`objects/${broken}/`)) keys.push(key)
    for (const key of keys) await store.delete(key)
    const report = await find(repository, ['r1'])
    expect(report.backups.map(({ backup }) => backup)).toEqual([whole])
    expect(report.unsearched).toEqual([
      expect.objectContaining({
        backup: broken,
        collection: 'default_tenant/default_database/docs',
        code: 'OBJECT_MISSING',
      }),
    ])
  })
})

class CountingStore extends MemoryStore {
  bytes = 0

  override async get(...args: Parameters<MemoryStore['get']>) {
    const blob = await super.get(...args)
    this.bytes += blob.bytes.length
    return blob
  }
}
