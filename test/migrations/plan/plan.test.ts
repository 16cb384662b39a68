import { describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { ExitCode } from '../../../src/core/exit-code.js'
import { parsePlan, planText } from '../../../src/migrations/plan/plan-file.js'
import { plan, type PlanJob } from '../../../src/migrations/plan/plan.js'
import type { KnownMigration } from '../../../src/migrations/run/select.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { DyingTransport, isWrite } from '../../helpers/dying-transport.js'
import { migration, migrationsForSuite, type MigrationDatabase } from '../../helpers/migration-runs.js'
import { serverContents } from '../../helpers/server-contents.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const unreachable = {
  name: 'far-away',
  generate: () => Promise.reject(new Error('the provider cannot be reached')),
}

const reembed = migration('00001', {
  async up(m) {
    await m
      .collection('docs')
      .transform((record) => (record.id === 'docs-0' ? record : { ...record, document: 'same text' }))
      .reembed({ with: unreachable, rpm: 60, batch: 1, pricePerThousandTokens: 10 })
      .changeSpace('cosine')
    await m.collection('docs').rename('pages')
  },
})
const later = migration('00002', {
  async up(m) {
    await m.collection('pages').setMetadata({ owner: 'search' })
    await m.collection('fresh').create()
    await m.step('notify', () => {
      throw new Error('a plan runs no code of steps')
    })
  },
})

function planOf(
  database: MigrationDatabase,
  migrations: readonly KnownMigration[],
  changes: Partial<PlanJob> = {},
) {
  return plan({
    ...database.job(migrations),
    ...{ limit: null, to: null, execOrder: 'linear', skipBackup: false, adopt: true, sample: 500 },
    ...changes,
  })
}

describe('plan', () => {
  test('says what each step would do, with names that earlier steps will have made, and asks no provider', async () => {
    const database = await openDatabase()
    await database.fill('docs', 8)
    const planned = await planOf(database, [reembed, later])

    expect(planned).toMatchObject({ from: null, to: '00002', lock: 'free', destructive: [] })
    const [first, second] = planned.migrations
    expect(first?.steps).toMatchObject([
      {
        title: 'docs copyAndSwap',
        records: 8,
        changes: ['transform', 'reembed with far-away', 'l2→cosine'],
        sample: { records: 8, changed: 7, dropped: 0 },
        embedding: { model: 'far-away', texts: 8, uniqueTexts: 2, cached: 0, seconds: 2 },
        opaque: false,
      },
      { title: 'docs rename → pages', records: 8 },
    ])
    expect(first?.steps[0]?.embedding?.cost).toBeGreaterThan(0)
    expect(first?.steps[0]?.peakBytes).toBeGreaterThan(0)
    expect(second?.steps.map(({ title, opaque }) => [title, opaque])).toEqual([
      ['pages setMetadata', false],
      ['fresh create', false],
      ['step "notify"', true],
    ])
    expect(second?.reversible).toBe('restore')
    expect(planned.collections).toMatchObject([{ name: 'docs', count: 8, space: 'l2', dimension: 3 }])
    expect(planned.backup).toMatchObject({ needed: true, versions: ['00002'], problem: expect.any(String) })
  })

  test('plan and status write nothing, on a database with a history and on one without', async () => {
    const transport = new DyingTransport(api().transport, null)
    const watched = new ChromaApi(transport)
    const database = await openDatabase()
    await database.fill('docs', 8)
    const look = async (url: string) => serverContents(url, [database.tenant], database.database)
    for (const applied of [[], [migration('00001', { up: (m) => m.collection('one').create() })]]) {
      if (applied.length > 0) await database.up(applied)
      const files = applied.length > 0 ? [...applied, { ...later, definition: later.definition }] : [reembed]
      const before = await look(chroma().url)
      await planOf(database, applied.length > 0 ? applied : files, { api: watched })
      await database.status(files)
      expect(await look(chroma().url)).toEqual(before)
    }
    expect(transport.requests.filter(isWrite)).toEqual([])
  })

  test('what a function gets wrong is told in the plan', async () => {
    const database = await openDatabase()
    await database.fill('docs', 3)
    const broken = migration('00001', {
      up: async (m) =>
        m.collection('docs').transform((record) => {
          throw new Error(`cannot read ${record.id}`)
        }),
    })
    await expect(planOf(database, [broken])).rejects.toMatchObject({
      message: expect.stringContaining('cannot read docs-0'),
    })
    const missing = migration('00001', { up: async (m) => m.collection('dogs').rename('cats') })
    await expect(planOf(database, [missing])).rejects.toMatchObject({
      exitCode: ExitCode.notFound,
      message: 'migration 00001_test (00001_test.ts) cannot be applied: no collection named dogs',
      hint: expect.stringMatching(/^choose from: docs; .*"chroma-ops migrate up"$/),
    })
    const taken = migration('00001', {
      async up(m) {
        await m.collection('fresh').create()
        await m.collection('docs').rename('fresh')
      },
    })
    await expect(planOf(database, [taken])).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  })

  test('names what would be lost, whether a backup is possible, and how long there is a way back', async () => {
    const database = await openDatabase()
    await database.fill('docs', 3)
    const lossy = migration('00001', {
      async up(m) {
        await m.collection('docs').filter(({ id }) => id !== 'docs-1')
        await m.collection('docs').drop({ keep: '2d' })
      },
    })
    const planned = await planOf(database, [lossy], { now: () => new Date('2026-11-21T00:00:00Z') })
    expect(planned.destructive.map(({ message }) => message)).toEqual([
      '00001 step 1: docs loses records: 1 of 3 looked at',
      '00001 step 2: docs is dropped, and kept for 2d',
    ])
    expect(planned.migrations[0]?.reversible).toBe('2026-11-23T00:00:00.000Z')
  })
})

describe('a plan file', () => {
  const two = [
    migration('00001', { up: (m) => m.collection('docs').rename('pages') }),
    migration('00002', { up: (m) => m.collection('fresh').create() }),
  ]

  test('is read back as it was, and another text is refused', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const planned = await planOf(database, [reembed, later])
    expect(parsePlan(planText(planned), 'plan.json')).toEqual(planned)
    expect(() => parsePlan('{}', 'plan.json')).toThrow('plan.json is no plan of chroma-ops')
    expect(() => parsePlan('nothing', 'plan.json')).toThrow('it is not JSON')
    expect(() => parsePlan(planText({ ...planned, formatVersion: 99 }), 'plan.json')).toThrow(
      'newer chroma-ops',
    )
  })

  test('up holds to it: counts may change, collections, versions and checksums may not', async () => {
    const database = await openDatabase()
    const docs = await database.fill('docs')
    const approved = await planOf(database, two)

    const [one, other] = two
    if (one === undefined || other === undefined) throw new Error('two migrations')
    const edited = [one, { ...other, checksum: 'b1:edited' }]
    await expect(database.up(edited, { plan: approved })).rejects.toMatchObject({
      code: 'PLAN_OUTDATED',
      exitCode: ExitCode.refused,
      message: expect.stringContaining('00002 reads otherwise'),
    })
    await expect(database.up([one], { plan: approved })).rejects.toMatchObject({ code: 'PLAN_OUTDATED' })

    await database.add(docs, 'more-', 2)
    const applied = await database.up(two, { plan: approved })
    expect(applied.error).toBeNull()
    expect(applied.warnings.map(({ message }) => message)).toEqual([
      'collection docs has 7 records, and had 5 in the plan',
    ])

    const again = await openDatabase()
    await again.fill('docs')
    const stale = await planOf(again, two)
    const old = await again.find('docs')
    if (old !== undefined) await api().deleteCollection(old)
    await again.fill('docs')
    await expect(again.up(two, { plan: stale })).rejects.toMatchObject({
      message: expect.stringContaining('collection docs is another one'),
    })
    expect(await again.names()).toEqual(['docs'])
  })
})
