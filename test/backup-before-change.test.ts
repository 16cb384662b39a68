import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { backupBeforeChange, HOLD_DAYS, type BackupBeforeChangeJob } from '../src/backup-before-change.js'
import { HOLD, readMark, VERIFIED } from '../src/backup/backup-marks.js'
import { readCollections } from '../src/backup/contents.js'
import { RepositoryNotFoundError } from '../src/backup/errors.js'
import { listBackups } from '../src/backup/list-backups.js'
import type { Repository } from '../src/backup/repository.js'
import { beginSession } from '../src/backup/sessions.js'
import { silentProgress, type Warning } from '../src/core/progress.js'
import { LocalStore } from '../src/storage/local-store.js'
import { StoreAccessError } from '../src/storage/blob-store.js'
import { MemoryStore } from '../src/storage/memory-store.js'
import { apiForSuite, home } from './helpers/api-for-suite.js'
import { FIRST_NIGHT, newRepository } from './helpers/backups.js'
import { chromaForSuite } from './helpers/chroma-server.js'
import { simpleCollection, simpleRecords } from './helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const { signal } = new AbortController()
let folder: string
let repository: Repository

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-before-change-'))
  repository = await newRepository(new LocalStore(path.join(folder, 'backups')))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

function port(overrides: Partial<BackupBeforeChangeJob> = {}) {
  return backupBeforeChange({
    repository: async () => repository,
    api: api(),
    series: 'nightly',
    actor: 'ci',
    host: 'runner',
    toolVersion: '0.1.0',
    tempDir: folder,
    now: () => FIRST_NIGHT,
    progress: silentProgress,
    ...overrides,
  })
}

const named = (name: string) => ({ ...home, name })

describe('a backup before a change', () => {
  test('holds the touched collections and no others, is verified, and prune leaves it alone', async () => {
    await simpleCollection(api(), 'touched', 30)
    await simpleCollection(api(), 'touched-not', 5)
    await simpleCollection(api(), 'empty', 0)
    const reference = await port().create([named('touched'), named('empty')], signal)
    expect(reference.repository).toBe(repository.store.displayUrl)
    const [entry] = await listBackups(repository, {})
    const head = entry?.head
    if (head == null) throw new Error('no backup')
    expect(head).toMatchObject({
      id: reference.id,
      type: 'collection',
      status: 'complete',
      series: 'nightly',
    })
    const held = await readCollections(repository, head)
    expect(held.map(({ name, records }) => [name, records])).toEqual([
      ['empty', 0],
      ['touched', 30],
    ])
    expect(await readMark(repository, VERIFIED, reference.id)).toMatchObject({ how: 'records', actor: 'ci' })
    const until = new Date(FIRST_NIGHT.getTime() + HOLD_DAYS * 86_400_000).toISOString()
    expect(await readMark(repository, HOLD, reference.id)).toMatchObject({ until })
  })

  test('brings one of them back through a shadow; what is there is kept', async () => {
    const before = await simpleCollection(api(), 'spoilt', 12)
    await simpleCollection(api(), 'beside', 3)
    const reference = await port().create([named('spoilt'), named('beside')], signal)
    await api().deleteRecords(before, ['id3', 'id4'])
    await api().add(before, simpleRecords(100, 1))
    await port().restore(reference, named('spoilt'), signal)
    const after = await api().getCollection(named('spoilt'))
    expect(after.id).not.toBe(before.id)
    expect(await api().count(after)).toBe(12)
    const all = await api().listCollections(home.tenant, home.database)
    const kept = all.find(({ id }) => id === before.id)
    expect(kept?.name).toMatch(/^spoilt\.replaced-/)
    expect(all.filter(({ name }) => name.startsWith('beside'))).toHaveLength(1)
  })

  test('brings back one that is gone', async () => {
    const before = await simpleCollection(api(), 'gone', 4)
    const reference = await port().create([named('gone')], signal)
    await api().deleteCollection(before)
    await port().restore(reference, named('gone'), signal)
    expect(await api().count(await api().getCollection(named('gone')))).toBe(4)
  })

  test('waits while another backup of the series is made', async () => {
    await simpleCollection(api(), 'patient', 2)
    const now = () => new Date()
    const nightly = { repository, series: 'nightly', actor: 'cron', host: 'other', progress: silentProgress }
    const { session } = await beginSession({ ...nightly, started: now(), pins: [], now })
    const warnings: Warning[] = []
    const progress = {
      update: () => {},
      warn: (warning: Warning) => {
        warnings.push(warning)
        void session.end()
      },
    }
    const { id } = await port({ progress }).create([named('patient')], signal)
    expect(warnings).toMatchObject([{ code: 'BACKUP_RUNNING' }])
    expect(await readMark(repository, VERIFIED, id)).not.toBeNull()
  })

  test('a damaged one is no backup: nothing is to be changed', async () => {
    await simpleCollection(api(), 'unlucky', 6)
    const store = new MemoryStore('damaging')
    const own = await newRepository(store)
    const put = store.put.bind(store)
    store.put = (key, bytes, ...rest) =>
      put(
        key,
        key.startsWith('objects/') ? bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) : bytes,
        ...rest,
      )
    const putNew = store.putNew.bind(store)
    store.putNew = (key, bytes, ...rest) =>
      putNew(
        key,
        key.startsWith('objects/') ? bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) : bytes,
        ...rest,
      )
    const work = port({ repository: async () => own }).create([named('unlucky')], signal)
    await expect(work).rejects.toMatchObject({ code: 'INTEGRITY', exitCode: 13 })
  })

  test('another repository than the one that it was made in is told apart from a lost backup', async () => {
    await simpleCollection(api(), 'elsewhere', 1)
    const reference = await port().create([named('elsewhere')], signal)
    const other = port({ repository: () => newRepository(new MemoryStore('other')) })
    await expect(other.restore(reference, named('elsewhere'), signal)).rejects.toMatchObject({
      code: 'BACKUP_NOT_FOUND',
      hint: `it was made in another repository: give --repo ${repository.store.displayUrl}`,
    })
  })
})

describe('whether a backup could be made now', () => {
  test('is found out by writing, and leaves nothing', async () => {
    await port().check(signal)
    expect(await readdir(path.join(folder, 'backups', 'probe')).catch(() => [])).toEqual([])
  })

  test('not without a repository, or the right to write to it', async () => {
    const none = port({ repository: () => Promise.reject(new RepositoryNotFoundError('/nowhere')) })
    await expect(none.check(signal)).rejects.toMatchObject({ exitCode: 10 })
    const store = new MemoryStore('read-only')
    const own = await newRepository(store)
    store.put = () => Promise.reject(new StoreAccessError('no permission to write'))
    const refused = port({ repository: async () => own })
    await expect(refused.check(signal)).rejects.toMatchObject({ exitCode: 14 })
    await port({ repository: async () => own, mayProbe: false }).check(signal)
  })
})
