import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { drillBackup } from '../../src/backup/drill-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { testCacheDir } from '../helpers/chroma-server.js'
import { backupOf, type TestBackup } from '../helpers/restores.js'

let tempDir: string
beforeEach(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-drill-test-'))
})
afterEach(() => rm(tempDir, { recursive: true, force: true }))

test('restores into a temporary server, compares, queries, and leaves nothing behind', async () => {
  const spaces = ['l2', 'cosine', 'ip'].map((space) =>
    collectionOf(`space-${space}`, [numberedBatch(300, 12, space)], {
      configuration: new Map([['hnsw', new Map([['space', space]])]]),
    }),
  )
  const backup = await backupOf([
    ...spaces,
    collectionOf('empty', []),
    collectionOf('elsewhere', [numberedBatch(3)], { tenant: 'other' }),
  ])
  const report = await drill(backup)
  expect(report).toMatchObject({ status: 'ok', exitCode: 0, records: 903, findings: [] })
  for (const { name, comparison, probes } of report.collections) {
    expect(comparison).toMatchObject({ equal: true, orderDiffers: false })
    if (name === 'empty') expect(probes).toEqual({ queries: 0, recall: null, short: 0 })
    else {
      expect(probes).toMatchObject({ queries: name === 'elsewhere' ? 3 : 10, short: 0 })
      expect(probes.recall).toBeGreaterThan(0.99)
    }
  }
  expect(report.recoveryMs).toBeGreaterThanOrEqual(report.restoreMs)
  expect(await readdir(tempDir)).toEqual([])
})

test('a damaged backup fails the drill, and leaves nothing behind', async () => {
  const store = new MemoryStore()
  const backup = await backupOf([collectionOf('docs', [numberedBatch(50)])], store)
  for await (const { key } of store.list('objects/')) {
    const bytes = Uint8Array.from((await store.get(key)).bytes)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await store.put(key, bytes)
  }
  await expect(drill(backup)).rejects.toMatchObject({ exitCode: 13 })
  expect(await readdir(tempDir)).toEqual([])
})

test('stopped by its signal, it leaves nothing behind', async () => {
  const backup = await backupOf([collectionOf('docs', [numberedBatch(50)])])
  const stop = new AbortController()
  const progress = { update: () => stop.abort(), warn: () => {} }
  await expect(drill(backup, { progress, signal: stop.signal })).rejects.toMatchObject({ code: 'ABORTED' })
  expect(await readdir(tempDir)).toEqual([])
})

async function drill(backup: TestBackup, overrides: Partial<Parameters<typeof drillBackup>[0]> = {}) {
  return drillBackup({
    ...backup,
    tempDir,
    cacheDir: testCacheDir,
    now: () => new Date(),
    progress: silentProgress,
    ...overrides,
  })
}
