import { afterEach, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { encodeDocument } from '../../src/backup/documents.js'
import { newBackupId } from '../../src/backup/backup-id.js'
import type { Repository } from '../../src/backup/repository.js'
import { listSessions, waitForSeries } from '../../src/backup/running-sessions.js'
import { Session } from '../../src/backup/sessions.js'
import { asError } from '../../src/core/errors.js'
import { identifyProcess, type ProcessIdentity } from '../../src/core/process-identity.js'
import { silentProgress } from '../../src/core/progress.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { FaultyStore } from '../helpers/faulty-store.js'
import { MemorySource } from '../helpers/memory-source.js'

const source = sourceOf(collectionOf('docs', [numberedBatch(20)]))
const ended: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const end of ended.splice(0)) await end()
})

async function beginSession(repository: Repository, series: string, kind?: 'restore'): Promise<Session> {
  const backup = newBackupId(new Date(Date.now() - 60_000), series)
  const job = { repository, backup, kind, pins: [], host: 'db1', actor: 'alice', now: () => new Date() }
  const session = await Session.begin({ ...job, progress: silentProgress })
  ended.push(async () => {
    await session.end()
  })
  return session
}

/** As a run leaves it that is killed, or that runs somewhere else. */
async function leaveSession(
  repository: Repository,
  process: Partial<ProcessIdentity> | null,
): Promise<string> {
  const backup = newBackupId(new Date(Date.now() - 60_000), 'docs')
  const key = `sessions/${backup}.json`
  const began = new Date().toISOString()
  const identity = process === null ? null : { ...(await identifyProcess(1)), ...process }
  const document = { format: 1, backup, began, heartbeat: began, pins: [], host: 'db1', actor: 'alice' }
  const bytes = encodeDocument(repository, 'session', key, { ...document, process: identity })
  await repository.store.put(key, bytes)
  return backup
}

test('a backup is refused while one of its series is made, and leaves nothing behind', async () => {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  await beginSession(repository, 'docs')
  await expect(createBackup(jobOf(repository, source, { now: () => new Date() }))).rejects.toMatchObject({
    code: 'BACKUP_RUNNING',
    exitCode: 11,
    message: expect.stringContaining('alice on db1'),
  })
  expect(await store.keys('sessions/')).toHaveLength(1)
  expect(await store.keys('objects/')).toEqual([])
  const other = jobOf(repository, source, { now: () => new Date(), series: 'images' })
  expect(await createBackup(other)).toMatchObject({ exitCode: 0 })
})

test('of those that begin at the same moment exactly one goes on', async () => {
  const repository = await newRepository()
  const now = new Date()
  let [refused, allRefused] = [0, () => {}]
  const turn = new Promise<void>((resolve) => (allRefused = resolve))
  // The one that goes on must not have ended before the last of the others has looked.
  const slow = new (class extends MemorySource {
    override async openCollection(definition: CollectionDefinition) {
      await turn
      return super.openCollection(definition)
    }
  })([collectionOf('docs', [numberedBatch(20)])])
  const runs = Array.from({ length: 8 }, async () => {
    try {
      return await createBackup(jobOf(repository, slow, { now: () => now }))
    } catch (error) {
      if (++refused === 7) allRefused()
      throw error
    }
  })
  const outcomes = await Promise.allSettled(runs)
  const errors = outcomes.flatMap((each) => (each.status === 'rejected' ? [asError(each.reason)] : []))
  expect(errors).toHaveLength(7)
  for (const error of errors) expect(error).toMatchObject({ code: 'BACKUP_RUNNING' })
  expect(await listSessions(repository)).toEqual([])
})

test('one that looked before the other was there gives way when it looks again', async () => {
  const now = new Date()
  const [smaller = '', larger = ''] = [newBackupId(now, 'docs'), newBackupId(now, 'docs')].sort()
  let arrived: () => void = () => {}
  let release: () => void = () => {}
  const arrival = new Promise<void>((resolve) => (arrived = resolve))
  const released = new Promise<void>((resolve) => (release = resolve))
  const store = new (class extends MemoryStore {
    override async put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
      if (key.includes(larger)) {
        arrived()
        await released
      }
      return super.put(key, bytes, signal)
    }
  })()
  const repository = await newRepository(store)
  const common = { repository, pins: [], host: 'h', actor: 'a', now: () => now, progress: silentProgress }
  const late = Session.begin({ ...common, backup: larger })
  await arrival
  const session = await Session.begin({ ...common, backup: smaller })
  release()
  await expect(late).rejects.toMatchObject({ code: 'BACKUP_RUNNING', session: { backup: smaller } })
  await session.end()
  expect(await listSessions(repository)).toEqual([])
})

test('a restore keeps no backup from being made, and neither does a dead run', async () => {
  const repository = await newRepository()
  await beginSession(repository, 'docs', 'restore')
  const killed = await leaveSession(repository, { pid: 2 ** 22 + 1 })
  const before = await leaveSession(repository, { boot: 'before the machine was started again' })
  expect(await listSessions(repository)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'restore', state: 'running', actor: 'alice', host: 'db1' }),
      expect.objectContaining({ backup: killed, state: 'dead' }),
      expect.objectContaining({ backup: before, state: 'dead' }),
    ]),
  )
  const made = await createBackup(jobOf(repository, source, { now: () => new Date() }))
  expect(made.exitCode).toBe(0)
})

test('a run that cannot be seen lives as long as it sends heartbeats', async () => {
  let now = new Date()
  const store = new (class extends MemoryStore {
    override async storeTime(): Promise<Date> {
      return now
    }
  })()
  const repository = await newRepository(store)
  await leaveSession(repository, { host: 'another-machine' })
  const job = jobOf(repository, source, { now: () => new Date() })
  await expect(createBackup(job)).rejects.toMatchObject({ code: 'BACKUP_RUNNING' })
  now = new Date(Date.now() + 181_000)
  expect(await createBackup(job)).toMatchObject({ exitCode: 0 })
})

test('waiting ends when the run has ended', async () => {
  const repository = await newRepository()
  const session = await beginSession(repository, 'docs')
  let waits = true
  const waiting = waitForSeries(repository, 'docs', { pollMs: 5 }).then(() => (waits = false))
  await waitForSeries(repository, 'images', { pollMs: 5 })
  expect(waits).toBe(true)
  await session.end()
  await waiting
})
