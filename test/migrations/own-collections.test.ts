import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { deadShadows } from '../../src/cleanup/runs/dead-shadows.js'
import { cleanRuns } from '../../src/cleanup/runs/clean-runs.js'
import { migrationLeftovers } from '../../src/cleanup/runs/migration-leftovers.js'
import {
  KEEP_UNTIL_KEY,
  KEPT_KEY,
  LEDGER_KEY,
  STALE_LOCK_PREFIX,
  TRASH_KEY,
} from '../../src/core/migration-keys.js'
import { ownLabel } from '../../src/core/own-collections.js'
import { silentProgress } from '../../src/core/progress.js'
import { SHADOW_KEY } from '../../src/core/shadow-key.js'
import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { DirectorySource } from '../../src/datadir/directory-source.js'
import { checkHealth } from '../../src/health/check-health.js'
import { setAside } from '../../src/migrations/state/lock-requests.js'
import { openState } from '../../src/migrations/state/state-writer.js'
import { home, newCollection } from '../helpers/api-for-suite.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { deadLock, locked, lockNames } from '../helpers/migration-locks.js'
import { healthOfDirectory } from '../health/offline/directories.js'
import { migrationRow } from '../helpers/migration-rows.js'

const DUE = '2001-01-01T00:00:00.000Z'
const KEPT = ['chroma-ops.state', 'docs', 'docs.old-00000000', 'docs.old-11111111', 'docs.trash-22222222']

let chroma: TestChroma
let api: ChromaApi

beforeAll(async () => {
  chroma = await startChroma()
  api = new ChromaApi(await connectTransport({ url: chroma.url }))
  const state = await openState({ api, ...home }, { check: async () => {} })
  await state.putRow(migrationRow())
  const stale = await deadLock(api)
  await setAside({ api, ...home }, stale, STALE_LOCK_PREFIX, undefined)
  await newCollection(api, { name: 'docs' })
  const marked = (name: string, ...entries: [string, string][]) =>
    newCollection(api, { name, metadata: new Map(entries) })
  await marked('docs.migrate-0123abcd', [SHADOW_KEY, 'run 1'])
  await newCollection(api, { name: 'docs.ledger-0123abcd', metadata: new Map([[LEDGER_KEY, 1n]]) })
  await marked('docs.old-00000000', [KEPT_KEY, '00001'], [KEEP_UNTIL_KEY, DUE])
  await marked('docs.old-11111111', [KEPT_KEY, '00002'], [KEEP_UNTIL_KEY, '2999-01-01T00:00:00.000Z'])
  await marked('docs.trash-22222222', [TRASH_KEY, '00003'])
})

afterAll(async () => {
  await api.transport.close()
  await chroma.stop()
})

const scope = { tenants: [home.tenant], databases: [home.database] }

function serverSource() {
  return new ServerSource({ api, scope, tempDir: chroma.directory })
}

test('locks, shadows and ledgers are never backed up; the state and what is kept are, under a label', async () => {
  const lock = await locked(api, { ttlMs: 600_000 })
  const listed = await serverSource().listCollections()
  expect(listed.map(({ name }) => name)).toEqual(KEPT)
  expect(listed.map(ownLabel)).toEqual(['migration state', null, 'kept', 'kept', 'trash'])
  const directory = await openDataDirectory(chroma.directory)
  try {
    const offline = await new DirectorySource(directory).listCollections()
    expect(offline.map(({ name }) => name).sort()).toEqual(KEPT)
  } finally {
    directory.close()
  }
  await lock.release()
})

test('health tells what a dead migration has left, whose it was and what to run next', async () => {
  const stale = await deadLock(api, { phase: 'docs: copying' })
  await setAside({ api, ...home }, stale, STALE_LOCK_PREFIX, undefined)
  const { status, findings, collections } = await healthNow()
  expect(status).toBe('ok')
  expect(collections.map(({ name }) => name).sort()).toEqual(KEPT)
  expect(findings.map(({ id, collection }) => [id, collection?.split('/')[2]])).toEqual(
    expect.arrayContaining([
      ['MIGRATION_LOCK_LEFT', `${STALE_LOCK_PREFIX}${stale.id}`],
      ['MIGRATION_UNFINISHED', 'docs.migrate-0123abcd'],
      ['MIGRATION_KEPT_TOO_LONG', 'docs.old-00000000'],
    ]),
  )
  expect(findings.find(({ id }) => id === 'MIGRATION_LOCK_LEFT')?.evidence).toMatch(
    /eve on elsewhere \(pid 4711, run dead\), at: docs: copying$/,
  )
  expect(findings.find(({ id }) => id === 'MIGRATION_UNFINISHED')).toMatchObject({
    evidence: expect.stringMatching(/was being built by a migration \(run run 1\) that is not running/),
    command: `chroma-ops migrate status --tenant default_tenant --database default_database --url ${chroma.url}`,
  })
})

test('so it does without a server, from the directory alone', async () => {
  const stale = await deadLock(api, { phase: 'docs: copying' })
  await setAside({ api, ...home }, stale, STALE_LOCK_PREFIX, undefined)
  const { findings, status } = await healthOfDirectory(chroma.directory)
  const own = findings.filter(({ id }) => id.startsWith('MIGRATION_'))
  expect(status).toBe('ok')
  expect(own.map(({ id, collection }) => [id, collection?.split('/')[2]])).toEqual(
    expect.arrayContaining([
      ['MIGRATION_LOCK_LEFT', `${STALE_LOCK_PREFIX}${stale.id}`],
      ['MIGRATION_UNFINISHED', 'docs.migrate-0123abcd'],
      ['MIGRATION_KEPT_TOO_LONG', 'docs.old-00000000'],
    ]),
  )
  expect(own.some(({ collection }) => collection?.includes('docs.old-11111111'))).toBe(false)
  expect(own.find(({ id }) => id === 'MIGRATION_UNFINISHED')).toMatchObject({
    severity: 'info',
    command: 'chroma-ops migrate status --tenant default_tenant --database default_database --url URL',
  })
  const { findings: before } = await healthOfDirectory(chroma.directory, { now: () => new Date(0) })
  expect(before.some(({ id }) => id === 'MIGRATION_KEPT_TOO_LONG')).toBe(false)
})

test('who names a collection that is not there is not told to choose what is ours', async () => {
  await expect(api.getCollection({ ...home, name: 'nope' })).rejects.toMatchObject({
    code: 'COLLECTION_NOT_FOUND',
    hint: expect.not.stringMatching(/chroma-ops\.(lock|state)|\.migrate-|\.ledger-/),
  })
})

test('health tells who migrates now, and does not take its shadow for dead', async () => {
  const lock = await locked(api, { ttlMs: 600_000 })
  const { status, findings } = await healthNow()
  expect(status).toBe('ok')
  expect(findings.find(({ id }) => id === 'MIGRATION_LOCKED')?.evidence).toMatch(
    /^ada on .*, at: docs: copying holds the lock of migrations$/,
  )
  expect(findings.find(({ id }) => id === 'MIGRATION_UNFINISHED')?.evidence).toMatch(/is being built/)
  await lock.release()
})

test('cleanup runs removes old locks only, and tells what is for migrate to remove', async () => {
  const stale = await deadLock(api)
  await setAside({ api, ...home }, stale, STALE_LOCK_PREFIX, undefined)
  const alive = await deadLock(api)
  const job = { api, ...scope, now: () => new Date() }
  const places = () => [deadShadows({ ...job, watchMs: 10 }), migrationLeftovers(job)]
  const planned = await cleanRuns({ places: places(), apply: false })
  expect(planned.removed.map(({ kind }) => kind)).toContain('lock')
  // Whoever holds the lock may be at work on them.
  expect(planned.leftAlone).toEqual([])
  expect(await lockNames(api)).toContain(`${STALE_LOCK_PREFIX}${stale.id}`)
  await cleanRuns({ places: places(), apply: true })
  expect(await lockNames(api)).toEqual(['chroma-ops.lock'])
  await api.deleteCollection(alive)
  const done = await cleanRuns({ places: places(), apply: true })
  expect(done.removed).toEqual([])
  expect(done.leftAlone).toMatchObject([
    {
      name: `${home.tenant}/${home.database}/docs.migrate-0123abcd`,
      command: expect.stringContaining('migrate abort'),
    },
    {
      name: `${home.tenant}/${home.database}/docs.old-00000000`,
      command: 'chroma-ops migrate complete --apply',
    },
  ])
  const left = await api.listCollections(home.tenant, home.database)
  expect(left.map(({ name }) => name)).toContain('docs.migrate-0123abcd')
})

function healthNow() {
  return checkHealth({
    server: api,
    level: 'ready',
    scope: { ...scope, selection: { include: [], exclude: [] } },
    deadlineMs: null,
    progress: silentProgress,
  })
}
