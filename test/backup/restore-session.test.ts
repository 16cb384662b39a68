import { expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { whileRestoring } from '../../src/backup/restore-session.js'
import { listSessions } from '../../src/backup/running-sessions.js'
import { planPrune } from '../../src/backup/plan-prune.js'
import { NO_POLICY } from '../../src/backup/retention-policy.js'
import { silentProgress } from '../../src/core/progress.js'
import { StoreAccessError } from '../../src/storage/blob-store.js'
import {
  collectionOf,
  jobOf,
  newRepository,
  numberedBatch,
  recordedProgress,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore } from '../helpers/faulty-store.js'

const source = sourceOf(collectionOf('docs', [numberedBatch(20)]))

test('while a backup is restored, it is told, and not removed', async () => {
  const repository = await newRepository()
  const { head } = await createBackup(jobOf(repository, source, { now: () => new Date(Date.now() - 60_000) }))
  await createBackup(jobOf(repository, source, { now: () => new Date(), type: 'full' }))
  const who = { host: 'h', actor: 'a', now: () => new Date(), progress: silentProgress }
  const decision = async () => {
    const policy = { ...NO_POLICY, last: 1 }
    const common = { repository, policy, series: 'docs', named: null, graceMs: 0, purgeNow: false }
    const plan = await planPrune({ ...common, ...who, allowShrink: false })
    return plan.backups.find(({ id }) => id === head.id)
  }
  const during = await whileRestoring({ ...who, repository, head }, async () => ({
    sessions: await listSessions(repository),
    decision: await decision(),
  }))
  expect(during.sessions).toMatchObject([{ kind: 'restore', state: 'running', host: 'h', actor: 'a' }])
  expect(during.decision).toMatchObject({ decision: 'keep', reasons: ['in use'] })
  expect(await listSessions(repository)).toEqual([])
  expect(await decision()).toMatchObject({ decision: 'remove' })
})

test('who may only read restores with a warning', async () => {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const { head } = await createBackup(jobOf(repository, source))
  store.beforePut = () => {
    throw new StoreAccessError('not allowed')
  }
  const progress = recordedProgress()
  const job = { repository, head, host: 'h', actor: 'a', now: () => new Date(), progress }
  expect(await whileRestoring(job, async () => 'restored')).toBe('restored')
  expect(progress.warnings).toMatchObject([{ code: 'SESSION_RECORD' }])
})
