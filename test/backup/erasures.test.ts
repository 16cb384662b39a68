import { describe, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { drillBackup } from '../../src/backup/drill-backup.js'
import { recordErasure } from '../../src/backup/erasures.js'
import { planRestore, restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import { silentProgress } from '../../src/core/progress.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { apiForSuite } from '../helpers/api-for-suite.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { chromaForSuite, testCacheDir } from '../helpers/chroma-server.js'
import { freshDatabase, restoreJob, type TestBackup } from '../helpers/restores.js'
import { tmpdir } from 'node:os'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

const BACKED_UP = new Date('2026-11-20T02:00:00Z')
const ERASED = new Date('2026-11-21T10:00:00Z')
const AFTERWARDS = new Date('2026-11-22T02:00:00Z')
const docs = { tenant: 'default_tenant', database: 'default_database', name: 'docs', id: 'id-of-docs' }

async function backedUp(store = new MemoryStore('erasures'), now = BACKED_UP): Promise<TestBackup> {
  const repository = await newRepository(store)
  const source = sourceOf(
    collectionOf('docs', [numberedBatch(30)]),
    collectionOf('images', [numberedBatch(10)]),
  )
  const { head } = await createBackup(jobOf(repository, source, { now: () => now }))
  return { repository, head }
}

async function erase(backup: TestBackup, ids: readonly string[], overrides = {}): Promise<void> {
  await recordErasure({
    repository: backup.repository,
    ids,
    collections: [docs],
    backups: [],
    actor: 'tester',
    now: () => ERASED,
    ...overrides,
  })
}

async function restoredIds(backup: TestBackup, overrides = {}): Promise<readonly string[]> {
  const targetDatabase = await freshDatabase(api())
  await restoreBackup(restoreJob(backup, api(), { targetDatabase, ...overrides }))
  const collection = await api().getCollection({ ...docs, database: targetDatabase })
  return (await api().get(collection, { include: [] })).ids
}

describe('records that were erased', () => {
  test('stay out of a restore, which says how many', async () => {
    const backup = await backedUp()
    await erase(backup, ['r3', 'r29', 'never-there'])
    const targetDatabase = await freshDatabase(api())
    const job = restoreJob(backup, api(), { targetDatabase })
    const left = [{ collection: 'default_tenant/default_database/docs', records: 2 }]
    expect(await planRestore(job)).toMatchObject({ records: 38, erased: left })
    expect(await restoreBackup(job)).toMatchObject({ records: 38, erased: left, exitCode: 0, equal: true })
    const collection = await api().getCollection({ ...docs, database: targetDatabase })
    const { ids } = await api().get(collection, { include: [] })
    expect([ids.length, ids.includes('r3'), ids.includes('r29')]).toEqual([28, false, false])
    // Only in the collection that they were erased from.
    const images = await api().getCollection({ ...docs, database: targetDatabase, name: 'images' })
    expect((await api().get(images, { include: [] })).ids).toContain('r3')
    // And their absence is no difference.
    expect(await verifyAgainst(job)).toMatchObject({ status: 'equal' })
  })

  test('come back with --include-erased', async () => {
    const backup = await backedUp()
    await erase(backup, ['r3'])
    expect(await restoredIds(backup, { includeErased: true })).toHaveLength(30)
  })

  test('stay out when the collection has another name by now', async () => {
    const backup = await backedUp()
    await erase(backup, ['r3'], { collections: [{ ...docs, name: 'renamed' }] })
    expect(await restoredIds(backup)).toHaveLength(29)
  })

  test('that were added again later are not left out of later backups', async () => {
    const backup = await backedUp(new MemoryStore('later'), AFTERWARDS)
    await erase(backup, ['r3'])
    expect(await restoredIds(backup)).toHaveLength(30)
  })

  test('stay out of a backup that was there, though its clock was ahead', async () => {
    const backup = await backedUp(new MemoryStore('ahead'), AFTERWARDS)
    await erase(backup, ['r3'], { backups: [backup.head] })
    expect(await restoredIds(backup)).toHaveLength(29)
  })

  test('a drill restores without them too', async () => {
    const backup = await backedUp()
    await erase(backup, ['r1', 'r2'])
    const report = await drillBackup({
      ...backup,
      tempDir: tmpdir(),
      cacheDir: testCacheDir,
      now: () => new Date(),
      progress: silentProgress,
    })
    expect(report).toMatchObject({ status: 'ok', records: 38 })
  })

  test('are known to the repository by hashes only, one salt for all', async () => {
    const store = new MemoryStore('hashes')
    const backup = await backedUp(store)
    await erase(backup, ['a-person@example.com'])
    await erase(backup, ['a-person@example.com', 'r5'])
    const salts = new Set<string>()
    const hashes: string[] = []
    for await (const { key } of store.list('erased/')) {
      const text = Buffer.from((await store.get(key)).bytes).toString()
      expect(text).not.toContain('a-person')
      const document: unknown = JSON.parse(text)
      const { salt, ids } = Object.fromEntries(Object.entries(document ?? {}))
      salts.add(String(salt))
      hashes.push(...(Array.isArray(ids) ? ids.map(String) : []))
    }
    expect([salts.size, hashes.length, new Set(hashes).size]).toEqual([1, 3, 2])
    expect(await restoredIds(backup)).not.toContain('r5')
  })

  test('a damaged list of them stops a restore, unless it is told to include them', async () => {
    const store = new MemoryStore('damaged')
    const backup = await backedUp(store)
    await erase(backup, ['r3'])
    for await (const { key } of store.list('erased/')) {
      const { bytes } = await store.get(key)
      await store.put(key, Buffer.from(bytes).subarray(0, -20))
    }
    await expect(restoredIds(backup)).rejects.toMatchObject({ code: 'ERASURES_DAMAGED', exitCode: 13 })
    expect(await restoredIds(backup, { includeErased: true })).toHaveLength(30)
  })
})
