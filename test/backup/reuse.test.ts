import { describe, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { createBackup } from '../../src/backup/create-backup.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import type { RecordSource } from '../../src/core/records.js'
import {
  collectionOf,
  jobOf,
  newRepository,
  numberedBatch,
  readEverything,
  recordedProgress,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore, withFlippedBit } from '../helpers/faulty-store.js'

const large = collectionOf('large', [numberedBatch(2000, 1200, 'l')])
const small = collectionOf('small', [numberedBatch(40, 4, 's')])

async function setUp() {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const source = sourceOf(large, small)
  const first = await createBackup(jobOf(repository, source))
  let day = 20
  const next = (from: RecordSource, overrides: Parameters<typeof jobOf>[2] = {}) => {
    day++
    return createBackup(
      jobOf(repository, from, { now: () => new Date(`2026-11-${day}T02:00:00Z`), ...overrides }),
    )
  }
  const expectEqual = async (head: BackupHead, expected: RecordSource) => {
    expect(await readEverything(new BackupSource(repository, head))).toEqual(await readEverything(expected))
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.problems).toEqual([])
  }
  return { store, repository, source, first: first.head, next, expectEqual }
}

describe('a backup of records that an earlier one has', () => {
  test('adds nothing when nothing changed', async () => {
    const { store, source, first, next, expectEqual } = await setUp()
    const before = await store.keys('objects/')
    const { head, unchangedCollections } = await next(source)
    expect(await store.keys('objects/')).toEqual(before)
    expect(unchangedCollections).toBe(2)
    expect(head).toMatchObject({ parent: first.id, sizes: { added: 0, stored: first.sizes.stored } })
    await expectEqual(head, source)
  })

  test('adds only the row groups that changed, wherever rows came or went', async () => {
    const { first, next, expectEqual } = await setUp()
    const [whole] = large.batches
    if (whole === undefined) throw new Error('no batch')
    const source = sourceOf(
      collectionOf('large', [without(whole, 100), numberedBatch(10, 1200, 'new')]),
      small,
    )
    const { head, unchangedCollections } = await next(source)
    expect(unchangedCollections).toBe(1)
    expect(head.sizes.added).toBeGreaterThan(0)
    expect(head.sizes.added).toBeLessThan(first.sizes.added * 0.8)
    await expectEqual(head, source)
  })

  test('survives the removal of the manifest of the earlier one', async () => {
    const { store, source, first, next, expectEqual } = await setUp()
    const { head } = await next(source)
    await store.delete(`backups/${first.id}.json`)
    await expectEqual(head, source)
    const third = await next(source)
    expect(third.head).toMatchObject({ parent: head.id, sizes: { added: 0 } })
    await expectEqual(third.head, source)
  })

  test('stores the catalogue anew when only the definition changed', async () => {
    const { next, expectEqual } = await setUp()
    const source = sourceOf(
      { ...large, definition: { ...large.definition, metadata: new Map([['owner', 'ops']]) } },
      small,
    )
    const { head, unchangedCollections } = await next(source)
    expect(unchangedCollections).toBe(1)
    expect(head.sizes.added).toBeLessThan(5000)
    await expectEqual(head, source)
  })

  test('takes nothing from another series or from a partial backup', async () => {
    const { source, next } = await setUp()
    const { head } = await next(source, { series: 'another' })
    expect(head.parent).toBeNull()
    expect(head.sizes.added).toBe(head.sizes.stored)
  })

  test('stores again what is missing or cut off in the store', async () => {
    const { store, source, next, expectEqual } = await setUp()
    const [largest = ''] = (await Promise.all((await store.keys('objects/')).map((key) => store.stat(key))))
      .sort((a, b) => b.size - a.size)
      .map(({ key }) => key)
    await store.delete(largest)
    const { head } = await next(source)
    expect(head.sizes.added).toBeGreaterThan(0)
    await expectEqual(head, source)
    const [other = ''] = (await store.keys(`objects/${head.id}/`)).reverse()
    await store.damage(other, (bytes) => bytes.subarray(1))
    const third = await next(source)
    await expectEqual(third.head, source)
  })

  test('reuses nothing of a collection whose catalogue is damaged, and says so', async () => {
    const { store, source, first, next, expectEqual } = await setUp()
    for (const key of await store.keys('objects/')) {
      const { size } = await store.stat(key)
      if (size < 3000) await store.damage(key, (bytes) => withFlippedBit(bytes, 99))
    }
    const progress = recordedProgress()
    const { head } = await next(source, { progress })
    expect(progress.warnings.map(({ code }) => code)).toContain('PARENT_DAMAGED')
    expect(head.sizes.added).toBeGreaterThan(first.sizes.added * 0.9)
    await expectEqual(head, source)
  })

  test('fails, without a manifest, when a shared object disappears before the commit', async () => {
    const { store, source, next } = await setUp()
    const before = await store.keys('backups/')
    const [shared = ''] = await store.keys('objects/')
    const changed = sourceOf(large, collectionOf('small', [numberedBatch(41, 4, 's')]))
    store.beforePut = (key) => {
      if (key.startsWith('objects/')) void store.delete(shared)
    }
    await expect(next(changed)).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining(shared),
    })
    expect(await store.keys('backups/')).toEqual(before)
    expect(source.displayUrl).toBe('memory:')
  })
})

function without(batch: ReturnType<typeof numberedBatch>, row: number): ReturnType<typeof numberedBatch> {
  const keep = <T>(column: readonly T[]) => column.filter((_, index) => index !== row)
  const { dimension } = batch
  return {
    ...batch,
    ids: keep(batch.ids),
    documents: keep(batch.documents),
    uris: keep(batch.uris),
    metadatas: keep(batch.metadatas),
    embeddings: batch.embeddings.filter((_, at) => Math.floor(at / dimension) !== row),
  }
}
