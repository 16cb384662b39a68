import { describe, expect, test } from '@jest/globals'

import { ExitCode } from '../../../src/core/exit-code.js'
import { complete } from '../../../src/migrations/run/complete.js'
import { ensure, type EnsureJob } from '../../../src/migrations/run/ensure.js'
import { history } from '../../../src/migrations/run/history.js'
import { baseline, repair, type Repair } from '../../../src/migrations/run/repair.js'
import { conditionsOf } from '../../../src/migrations/run/status.js'
import { unlock } from '../../../src/migrations/run/unlock.js'
import { acquireLock } from '../../../src/migrations/state/acquire-lock.js'
import { Migrator } from '../../../src/migrator.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const one = migration('00001', { up: (m) => m.collection('one').create() })
const two = migration('00002', { up: (m) => m.collection('two').create() })

describe('history', () => {
  test('tells what happened, oldest first, and who did it', async () => {
    const database = await openDatabase()
    await database.up([one])
    await database.down([one])
    const entries = await history({ ...database.job([one]), version: null })
    expect(entries.map(({ event }) => event)).toEqual([
      'started',
      'step',
      'applied',
      'reverting',
      'undone',
      'reverted',
    ])
    expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set(['tester']))
  })

  test('status tells that a collection was made again or renamed by somebody else', async () => {
    const database = await openDatabase()
    await database.up([one, two])
    const made = await database.find('one')
    if (made !== undefined) await api().deleteCollection(made)
    await database.fill('one', 1)
    const status = await database.status([one, two])
    expect(status.findings).toMatchObject([{ code: 'COLLECTION_DRIFT', version: '00001' }])
    expect([...conditionsOf(status)]).toEqual(['drift'])
  })

  test('status shows who migrates right now; unlock needs the id of that lock', async () => {
    const database = await openDatabase()
    const { tenant, database: name } = database
    const lock = await acquireLock({
      api: api(),
      tenant,
      database: name,
      owner: 'ada',
      runId: 'r',
      waitMs: 0,
    })
    try {
      const status = await database.status([one])
      expect(status.lock).toMatchObject({ id: lock.id, owner: 'ada', pid: process.pid, stale: null })
      await expect(database.up([one])).rejects.toMatchObject({ exitCode: ExitCode.locked })
      const job = database.job([one])
      await expect(unlock({ ...job, lockId: null, apply: true })).rejects.toMatchObject({
        hint: expect.stringContaining(`--lock-id ${lock.id}`),
      })
      await expect(unlock({ ...job, lockId: 'other', apply: true })).rejects.toMatchObject({
        exitCode: ExitCode.locked,
      })
      expect(await unlock({ ...job, lockId: lock.id, apply: true })).toMatchObject({ removed: true })
      await expect(lock.check().then(() => database.up([one]))).resolves.toMatchObject({ error: null })
    } finally {
      await lock.release()
    }
    expect(await unlock({ ...database.job([]), lockId: null, apply: false })).toEqual({
      lock: null,
      removed: false,
    })
  })
})

describe('baseline and repair', () => {
  test('a baseline records what is there already and runs nothing', async () => {
    const database = await openDatabase()
    await database.fill('one', 1)
    const job = database.job([one, two])
    expect(await baseline({ ...job, version: '00001', dryRun: true })).toEqual({ versions: ['00001'] })
    expect(await database.find('chroma-ops.state')).toBeUndefined()
    await baseline({ ...job, version: '00001', dryRun: false })
    expect(await database.states([one, two])).toEqual(['00001 baseline', '00002 pending'])
    expect((await database.up([one, two], { adopt: false })).error).toBeNull()
    expect(await database.names()).toEqual(['one', 'two'])
    await expect(baseline({ ...job, version: '00002', dryRun: false })).rejects.toMatchObject({
      code: 'HISTORY_EXISTS',
    })
    await expect(database.down([one, two], { to: '0' })).rejects.toMatchObject({
      message: expect.stringContaining('recorded by a baseline'),
    })
  })

  test('repair says what it does, and does it only when told to', async () => {
    const database = await openDatabase()
    await database.up([one, two])
    const edited = [{ ...one, checksum: 'b1:edited' }, two]
    const fix = (what: Repair, apply: boolean) => repair({ ...database.job(edited), repair: what, apply })

    expect(await fix({ kind: 'checksums' }, false)).toMatchObject({
      applied: false,
      actions: [{ version: '00001', message: 'takes the checksum of 00001_test.ts as it is now' }],
    })
    expect(await database.states(edited)).toEqual(['00001 modified', '00002 applied'])
    await fix({ kind: 'checksums' }, true)
    expect(await database.states(edited)).toEqual(['00001 applied', '00002 applied'])

    await fix({ kind: 'markRolledBack', version: '00002' }, true)
    expect(await database.states(edited)).toEqual(['00001 applied', '00002 reverted'])
    await fix({ kind: 'markApplied', version: '00002' }, true)
    await fix({ kind: 'forget', version: '00001' }, true)
    expect(await database.states(edited)).toEqual(['00001 pending', '00002 applied'])
    await expect(fix({ kind: 'forget', version: '00009' }, true)).rejects.toMatchObject({
      exitCode: ExitCode.notFound,
    })
    expect((await history({ ...database.job([]), version: '00001' })).at(-1)).toMatchObject({
      event: 'repaired',
      message: 'forgets 00001_test (it was applied)',
    })
  })
})

describe('complete', () => {
  test('drops what was kept when its time is over, and says before what it would drop', async () => {
    const database = await openDatabase()
    await database.fill('docs', 3)
    await database.fill('old', 2)
    const files = [
      migration('00001', {
        async up(m) {
          await m.collection('docs').changeSpace('cosine').copyAndSwap({ keepOld: '2d' })
          await m.collection('old').drop({ keep: '9d' })
        },
      }),
    ]
    await database.up(files, { allowDestructive: true })
    const job = { ...database.job(files), version: null, early: false, apply: false, acceptDataLoss: false }
    const kept = (await complete(job)).collections
    expect(kept.map(({ kind, records, due }) => [kind, records, due])).toEqual([
      ['replaced', 3, false],
      ['trash', 2, false],
    ])
    const in3Days = () => new Date(Date.now() + 3 * 86_400_000)
    const planned = await complete({ ...job, now: in3Days })
    expect(planned.collections.filter(({ due }) => due)).toMatchObject([{ kind: 'replaced' }])
    expect(await database.names()).toHaveLength(4)
    await complete({ ...job, now: in3Days, apply: true })
    expect((await complete(job)).collections).toMatchObject([{ kind: 'trash' }])
    await expect(database.down(files)).rejects.toMatchObject({ code: 'IRREVERSIBLE' })
    await complete({ ...job, early: true, apply: true })
    expect(await database.names()).toEqual(['docs'])
  })
})

describe('at the start of an application', () => {
  test('verify rejects until everything is applied; apply applies; newer versions are refused or allowed', async () => {
    const database = await openDatabase()
    const job = (changes: Partial<EnsureJob>): EnsureJob => ({
      ...database.job([one, two]),
      ...{ mode: 'verify', allowFuture: false, maxStartupRecords: 1_000 },
      ...changes,
    })
    await expect(ensure(job({}))).rejects.toMatchObject({
      code: 'MIGRATIONS_PENDING',
      message: 'not applied yet: 00001_test, 00002_test',
    })
    expect(await database.find('chroma-ops.state')).toBeUndefined()
    expect(await ensure(job({ mode: 'off' }))).toBeNull()
    expect(await ensure(job({ mode: 'apply' }))).toMatchObject({ to: '00002' })
    expect(await ensure(job({}))).toBeNull()
    await expect(ensure(job({ migrations: [one] }))).rejects.toMatchObject({ code: 'FUTURE_VERSION' })
    expect(await ensure(job({ migrations: [one], allowFuture: true }))).toBeNull()
  })

  test('apply refuses what nobody should wait for', async () => {
    const database = await openDatabase()
    await database.fill('docs', 20)
    const heavy = migration('00001', { up: async (m) => m.collection('docs').changeSpace('cosine') })
    const declared = migration('00001', { startup: 'never', up: (m) => m.collection('one').create() })
    for (const files of [[heavy], [declared]])
      await expect(
        ensure({ ...database.job(files), mode: 'apply', allowFuture: false, maxStartupRecords: 10 }),
      ).rejects.toMatchObject({ code: 'NOT_AT_STARTUP', exitCode: ExitCode.refused })
    expect(await database.names()).toEqual(['docs'])
  })

  test('Migrator does all of it with its own connection', async () => {
    const database = await openDatabase()
    const steps: string[] = []
    const migrator = new Migrator({
      url: chroma().url,
      database: database.database,
      directory: 'nowhere',
      migrations: [one, two],
      on: { step: ({ title, state }) => void steps.push(`${state} ${title}`) },
    })
    try {
      expect((await migrator.plan()).migrations).toHaveLength(2)
      expect(await migrator.ensure({ mode: 'apply' })).toMatchObject({ to: '00002', error: null })
      expect(steps).toEqual([
        'started one create',
        'done one create',
        'started two create',
        'done two create',
      ])
      expect((await migrator.status()).head).toBe('00002')
      expect((await migrator.down()).to).toBe('00001')
      expect((await migrator.history('00002')).length).toBeGreaterThan(3)
      expect((await migrator.up()).to).toBe('00002')
    } finally {
      await migrator.close()
    }
  })
})
