import { setTimeout as pause } from 'node:timers/promises'

import { expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress, type Progress, type ProgressEvent } from '../../src/core/progress.js'
import type { GetOptions, StoredBlob } from '../../src/storage/blob-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { collectionOf, jobOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { backupOf, freshDatabase, restoreJob, withApi } from '../helpers/restores.js'

const chroma = chromaForSuite()

/** How many calls are under way at once, at most. */
class Gauge {
  #now = 0
  most = 0

  async measure<T>(work: () => Promise<T>): Promise<T> {
    this.most = Math.max(this.most, ++this.#now)
    try {
      // Long enough for all that may begin to begin.
      await pause(40)
      return await work()
    } finally {
      this.#now--
    }
  }
}

class MeasuredStore extends MemoryStore {
  gauge = new Gauge()

  override get(key: string, options?: GetOptions): Promise<StoredBlob> {
    return this.gauge.measure(() => super.get(key, options))
  }
}

/** Records so large that each request carries few of them. */
function largeRecords(prefix: string) {
  const batch = numberedBatch(24, 3, prefix)
  return { ...batch, documents: batch.ids.map((id) => id.repeat(400_000)) }
}

test.each([1, 3])('verify reads at most %d objects at once, and as many as that', async (concurrency) => {
  const store = new MeasuredStore('gauge')
  const backup = await backupOf([collectionOf('docs', [largeRecords('d')])], store)
  store.gauge = new Gauge()
  const report = await verifyBackup({ ...backup, concurrency, progress: silentProgress })
  expect(report).toMatchObject({ status: 'ok' })
  expect(store.gauge.most).toBe(concurrency)
})

test.each([1, 3])('a comparison with a server has at most %d requests under way', async (concurrency) => {
  const backup = await backupOf([collectionOf('docs', [largeRecords('d')])])
  const measure = async (work: (job: Parameters<typeof restoreBackup>[0]) => Promise<unknown>) => {
    const gauge = new Gauge()
    const decide = async ({ method, path }: ProxiedRequest): Promise<undefined> => {
      if (method === 'POST' && path.endsWith('/get')) await gauge.measure(async () => {})
    }
    const proxy = await startFaultProxy({ target: chroma().url, decide })
    try {
      await withApi(proxy.url, (api) =>
        work(restoreJob(backup, api, { concurrency, targetDatabase: database })),
      )
    } finally {
      await proxy.close()
    }
    return gauge.most
  }
  const database = await withApi(chroma().url, freshDatabase)
  // How many meet in the proxy is up to the machine, as long as some do.
  for (const work of [restoreBackup, verifyAgainst]) {
    const most = await measure(async (job) => work(job))
    expect(most).toBeLessThanOrEqual(concurrency)
    expect(most).toBeGreaterThanOrEqual(Math.min(concurrency, 2))
  }
})

test('several collections have a line for all of them, beside their own', async () => {
  const backup = await backupOf(['docs', 'images'].map((name) => collectionOf(name, [numberedBatch(30)])))
  const endOf = async (phase: string, count: number, work: (progress: Progress) => Promise<unknown>) => {
    const events: ProgressEvent[] = []
    await work({ update: (event) => events.push(event), warn: () => {} })
    const overall = events.filter(({ task }) => task === 'all')
    expect(events[0]).toBe(overall[0])
    expect(overall.at(-1)).toMatchObject({ phase, done: count, total: count, state: 'done' })
    expect(events.map(({ task }) => task).join()).toContain('/docs')
  }
  await endOf('read', 2, (progress) =>
    createBackup(jobOf(backup.repository, new BackupSource(backup.repository, backup.head), { progress })),
  )
  await withApi(chroma().url, async (api) => {
    const job = restoreJob(backup, api, { targetDatabase: await freshDatabase(api) })
    await endOf('write', 60, (progress) => restoreBackup({ ...job, progress }))
    await endOf('compare', 60, (progress) => verifyAgainst({ ...job, progress }))
  })
})
