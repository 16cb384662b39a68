import { expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { takeTurn } from '../../src/backup/turn.js'
import { listBackups } from '../../src/backup/list-backups.js'
import { listSessions } from '../../src/backup/running-sessions.js'
import { silentProgress } from '../../src/core/progress.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'

const source = sourceOf(collectionOf('docs', [numberedBatch(40)]))

/** Runs `before` when a session is about to begin, the first time. */
class HeldStore extends MemoryStore {
  before: (() => Promise<void>) | null = null

  override async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    const { before } = this
    if (key.startsWith('sessions/') && before !== null) {
      this.before = null
      await before()
    }
    return super.putNew(key, bytes, signal)
  }
}

test('what is made between the look and the turn is what a backup goes on from', async () => {
  const store = new HeldStore()
  const repository = await newRepository(store)
  const job = jobOf(repository, source, { now: () => new Date() })
  let between = ''
  store.before = async () => {
    between = (await createBackup(job)).head.id
  }
  const { head } = await createBackup(job)
  expect(head).toMatchObject({ type: 'incremental', parent: between })
})

test('and what its guards measure it by', async () => {
  const store = new HeldStore()
  const repository = await newRepository(store)
  const job = jobOf(repository, source, { now: () => new Date() })
  const rest = sourceOf(collectionOf('docs', [numberedBatch(10)]))
  store.before = async () => {
    await createBackup(job)
  }
  await expect(createBackup({ ...job, source: rest })).rejects.toMatchObject({ exitCode: 15 })
  expect(await listSessions(repository)).toEqual([])
})

test('a series in which backups are made all the time keeps nobody looking for ever', async () => {
  const store = new HeldStore()
  const repository = await newRepository(store)
  const job = jobOf(repository, source, { now: () => new Date() })
  let looks = 0
  const { seen, session } = await takeTurn({ ...job, progress: silentProgress }, async () => {
    const entries = await listBackups(repository, { series: 'docs' })
    looks++
    await createBackup(job)
    return { entries, pins: [], resumes: [], started: new Date() }
  })
  expect([looks, seen.entries.length]).toEqual([10, 9])
  await session.end()
})
