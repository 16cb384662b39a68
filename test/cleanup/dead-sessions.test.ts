import { expect, test } from '@jest/globals'

import { deadSessions } from '../../src/cleanup/runs/dead-sessions.js'
import { DatedStore } from '../helpers/dated-store.js'

const DAY_MS = 86_400_000
const DEAD = '20261119T020000Z-docs-7f3k'
const COMMITTED = '20261119T030000Z-docs-7f3k'

test('the run of a session that is removed cannot commit any more; one that had committed is left alone', async () => {
  const store = new DatedStore(new Date('2026-11-20T02:00:00Z'))
  for (const id of [DEAD, COMMITTED]) await store.put(`sessions/${id}.json`, Buffer.from('{}'))
  await store.put(`backups/${COMMITTED}.json`, Buffer.from('{}'))
  store.pass(DAY_MS + 1)
  const place = deadSessions(store, DAY_MS)
  const found = await place.find(undefined)
  expect(found.map(({ name }) => name)).toEqual([`sessions/${DEAD}.json`, `sessions/${COMMITTED}.json`])
  for (const leftover of found) await place.remove(leftover, undefined)
  expect(await store.keys()).toEqual([`backups/${COMMITTED}.json`, `locks/${DEAD}.json`])
})
