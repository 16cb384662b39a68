import { afterEach, expect, jest, test } from '@jest/globals'

import { Session } from '../../src/backup/sessions.js'
import { unsealJson } from '../../src/backup/sealed-json.js'
import { StoreUnreachableError } from '../../src/storage/blob-store.js'
import { FIRST_NIGHT, newRepository, recordedProgress } from '../helpers/backups.js'
import { FaultyStore } from '../helpers/faulty-store.js'

afterEach(() => {
  jest.useRealTimers()
})

async function begin() {
  jest.useFakeTimers({ now: FIRST_NIGHT })
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const progress = recordedProgress()
  const backup = '20261120T020000Z-docs-7f3k'
  const pins = ['20261119T020000Z-docs-abcd']
  // Only that it is there counts.
  for (const pin of pins) await store.put(`backups/${pin}.json`, Buffer.from('a manifest'))
  const session = await Session.begin({
    repository,
    backup,
    pins,
    host: 'h',
    actor: 'a',
    now: () => new Date(),
    progress,
  })
  const record = async () => unsealJson((await store.get(`sessions/${backup}.json`)).bytes)
  return { store, session, progress, record, backup, pins }
}

test('the record of a session names the pinned backups and is refreshed every 30 s', async () => {
  const { session, record, backup, pins } = await begin()
  const began = FIRST_NIGHT.toISOString()
  expect(await record()).toMatchObject({ document: { format: 1, backup, pins, began, heartbeat: began } })
  await jest.advanceTimersByTimeAsync(61_000)
  expect(await record()).toMatchObject({ document: { began, heartbeat: '2026-11-20T02:01:00.000Z' } })
  await session.end()
  await expect(record()).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
  await jest.advanceTimersByTimeAsync(61_000)
  await expect(record()).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
})

test('a heartbeat that fails is warned of and does not stop the run', async () => {
  const { store, session, progress, record } = await begin()
  store.beforePut = () => {
    throw new StoreUnreachableError('connection reset')
  }
  await jest.advanceTimersByTimeAsync(31_000)
  expect(progress.warnings).toMatchObject([{ code: 'SESSION_RECORD' }])
  store.beforePut = () => {}
  await jest.advanceTimersByTimeAsync(30_000)
  expect(await record()).toMatchObject({ document: { heartbeat: '2026-11-20T02:01:00.000Z' } })
  await session.end()
})
