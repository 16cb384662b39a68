import { describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { spaceOf } from '../../../src/chroma/space.js'
import { ExitCode } from '../../../src/core/exit-code.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { DyingTransport, isWrite } from '../../helpers/dying-transport.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const cosine = migration('00001', {
  async up(m) {
    await m
      .collection('docs')
      .transform((record) => ({ ...record, document: `${record.document ?? ''}!` }))
      .changeSpace('cosine')
    await m.collection('docs').setMetadata((previous) => ({ ...previous, owner: 'search' }))
  },
})
const rename = migration('00002', {
  async up(m) {
    await m.collection('docs').rename('pages')
    await m.collection('pages').copyTo('archive')
  },
})

describe('up', () => {
  test('applies what is pending, step by step, and records it', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const result = await database.up([cosine, rename])

    expect(result.error).toBeNull()
    expect(result).toMatchObject({ from: null, to: '00002' })
    expect(result.migrations.map(({ status, steps }) => [status, steps.map(({ title }) => title)])).toEqual([
      ['success', ['docs copyAndSwap', 'docs setMetadata']],
      ['success', ['docs rename → pages', 'pages copyTo → archive']],
    ])
    const pages = await database.find('pages')
    expect(pages && spaceOf(pages)).toBe('cosine')
    expect(pages?.metadata?.get('owner')).toBe('search')
    expect(await database.texts('pages')).toEqual([0, 1, 2, 3, 4].map((at) => `docs-${at} text ${at}!`))
    expect(await database.texts('archive')).toHaveLength(5)
    expect(await database.states([cosine, rename])).toEqual(['00001 applied', '00002 applied'])
  })

  test('at head it takes no lock, writes nothing and sends at most three requests', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.up([cosine, rename])
    const transport = new DyingTransport(api().transport, null)
    const result = await database.up([cosine, rename], { api: new ChromaApi(transport) })

    expect(result.migrations).toEqual([])
    expect(transport.requests.length).toBeLessThanOrEqual(3)
    expect(transport.requests.filter(isWrite)).toEqual([])
  })

  test('an empty database needs no history, one with collections is asked about', async () => {
    const create = migration('00001', { up: (m) => m.collection('docs').create() })
    const empty = await openDatabase()
    expect((await empty.up([create], { adopt: false })).error).toBeNull()

    const full = await openDatabase()
    await full.fill('docs')
    await expect(full.up([cosine], { adopt: false })).rejects.toMatchObject({
      code: 'NO_HISTORY',
      exitCode: ExitCode.refused,
    })
    expect(await full.names()).toEqual(['docs'])
    expect(await full.find('chroma-ops.state')).toBeUndefined()
  })

  test('several at once: each migration runs once, the others wait and find it done', async () => {
    const database = await openDatabase()
    let runs = 0
    const once = migration('00001', {
      async up(m) {
        await m.step('count', () => {
          runs++
        })
        await m.collection('docs').create()
      },
    })
    const lock = { ttlMs: 60_000, waitMs: 50_000 }
    const results = await Promise.all([1, 2, 3, 4].map(() => database.up([once], { lock, skipBackup: true })))

    expect(results.map(({ error }) => error)).toEqual([null, null, null, null])
    expect(runs).toBe(1)
    expect(results.filter(({ migrations }) => migrations.length === 1)).toHaveLength(1)
    expect(await database.names()).toEqual(['docs'])
  })

  test('--to and a limit stop where they say', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.up([cosine, rename], { to: '00001' })
    expect(await database.states([cosine, rename])).toEqual(['00001 applied', '00002 pending'])
    await database.up([cosine, rename], { limit: 1 })
    expect(await database.states([cosine, rename])).toEqual(['00001 applied', '00002 applied'])
    await expect(database.up([cosine], { to: '00009' })).rejects.toMatchObject({
      exitCode: ExitCode.notFound,
    })
  })

  test('what is not for this environment is recorded as skipped', async () => {
    const database = await openDatabase()
    const staging = migration('00001', { env: ['staging'], up: (m) => m.collection('a-staging').create() })
    const all = migration('00002', { up: (m) => m.collection('everywhere').create() })
    const result = await database.up([staging, all], { environment: 'production' })

    expect(result.migrations.map(({ status }) => status)).toEqual(['skipped', 'success'])
    expect(await database.names()).toEqual(['everywhere'])
    expect(await database.states([staging, all])).toEqual(['00001 skipped', '00002 applied'])
    await expect(database.up([staging, all], { environment: 'staging' })).rejects.toMatchObject({
      code: 'ENVIRONMENT_DIFFERS',
    })
  })

  test('what was skipped while nobody had said which environment it is, is applied when it is said', async () => {
    const database = await openDatabase()
    const staging = migration('00001', { env: ['staging'], up: (m) => m.collection('a-staging').create() })
    await database.up([staging])
    expect(await database.states([staging])).toEqual(['00001 skipped'])
    expect((await database.up([staging])).migrations).toEqual([])

    const late = await database.up([staging], { environment: 'staging' })
    expect(late.migrations.map(({ status }) => status)).toEqual(['success'])
    expect(await database.states([staging])).toEqual(['00001 applied'])
    expect(await database.names()).toEqual(['a-staging'])
  })

  test('a check that fails leaves everything as it was', async () => {
    const database = await openDatabase()
    await database.fill('docs', 3)
    const picky = migration('00001', {
      check: (m) => m.collection('docs').require({ space: 'cosine', dimension: 4, minRecords: 10 }),
      up: (m) => m.collection('docs').rename('pages'),
    })
    await expect(database.up([picky])).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      message:
        'the check of migration 00001_test (00001_test.ts) failed: collection docs: it measures l2, not cosine; its vectors have 3 numbers, not 4; it has 3 records, at least 10 are expected',
      hint: expect.stringContaining('"chroma-ops migrate up"'),
    })
    expect(await database.names()).toEqual(['docs'])
    expect(await database.states([picky])).toEqual(['00001 pending'])
  })
})

test('a check that fails behind others: those are applied, and the result says so', async () => {
  const database = await openDatabase()
  const first = migration('00001', { up: (m) => m.collection('one').create() })
  const picky = migration('00002', {
    check: (m) => m.collection('one').require({ minRecords: 1 }),
    up: (m) => m.collection('one').rename('uno'),
  })
  const result = await database.up([first, picky])
  expect(result.migrations.map(({ status }) => status)).toEqual(['success', 'error'])
  expect(result.error).toMatchObject({ exitCode: ExitCode.refused })
  expect(await database.states([first, picky])).toEqual(['00001 applied', '00002 pending'])
})

describe('what is lost for good needs approval', () => {
  const drop = migration('00001', { up: (m) => m.collection('docs').drop() })

  test('a drop of records is refused without it, and goes to the trash with it', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await expect(database.up([drop])).rejects.toMatchObject({
      code: 'DESTRUCTIVE',
      exitCode: ExitCode.refused,
      message: '00001 step 1: docs is dropped, and kept for 14d',
    })
    expect(await database.names()).toEqual(['docs'])
    await database.up([drop], { allowDestructive: true })
    expect(await database.names()).toEqual([expect.stringMatching(/^docs\.trash-/)])
  })

  test('so is a transform that leaves records out', async () => {
    const database = await openDatabase()
    await database.fill('docs', 4)
    const thin = migration('00001', {
      up: async (m) => m.collection('docs').transform((record) => (record.id === 'docs-0' ? null : record)),
    })
    await expect(database.up([thin])).rejects.toMatchObject({
      message: '00001 step 1: docs loses records: 1 of 4 looked at',
    })
    expect(await database.texts('docs')).toHaveLength(4)
  })
})

describe('order', () => {
  const first = migration('00001', { up: (m) => m.collection('one').create() })
  const late = migration('00002', { up: (m) => m.collection('two').create() }, 'merged_late')
  const third = migration('00003', { up: (m) => m.collection('three').create() })

  test('a file that was merged late is not skipped: both are named, and what to do', async () => {
    const database = await openDatabase()
    await database.up([first, third])
    await expect(database.up([first, late, third])).rejects.toMatchObject({
      code: 'OUT_OF_ORDER',
      exitCode: ExitCode.findings,
      message: '00002_merged_late is not applied, though 00003_test is',
      hint: expect.stringContaining('chroma-ops migrate renumber 00002'),
    })
    expect(await database.names()).toEqual(['one', 'three'])
  })

  test('non-linear: applied when the two share no collection, refused when they do', async () => {
    const database = await openDatabase()
    await database.up([first, third])
    expect((await database.up([first, late, third], { execOrder: 'non-linear' })).error).toBeNull()
    expect(await database.names()).toEqual(['one', 'three', 'two'])

    const shared = await openDatabase()
    const touching = migration('00002', { up: (m) => m.collection('three').rename('drei') })
    await shared.up([first, third])
    await expect(shared.up([first, touching, third], { execOrder: 'non-linear' })).rejects.toMatchObject({
      code: 'OUT_OF_ORDER',
      message: expect.stringContaining('both touch three'),
    })
    const opaque = migration('00002', { up: (m) => m.step('anything', () => {}) })
    await expect(shared.up([first, opaque, third], { execOrder: 'non-linear' })).rejects.toMatchObject({
      code: 'OUT_OF_ORDER',
      message: expect.stringContaining('code of its own'),
    })
  })

  test('a migration is not applied before those that it depends on', async () => {
    const database = await openDatabase()
    const dependent = migration('00002', { dependsOn: ['00003'], up: (m) => m.collection('two').create() })
    await expect(database.up([first, dependent, third])).rejects.toMatchObject({
      exitCode: ExitCode.usage,
      message: expect.stringContaining('00002_test.ts depends on 00003'),
    })
  })

  test('files that were applied and changed, are missing, or are newer than all others', async () => {
    const database = await openDatabase()
    await database.up([first, late, third])
    const edited = { ...late, checksum: 'b1:other' }
    await expect(database.up([first, edited, third])).rejects.toMatchObject({
      code: 'CHECKSUM_CHANGED',
      exitCode: ExitCode.findings,
      message: '00002_merged_late.ts changed since being applied',
    })
    await expect(database.up([first, third])).rejects.toMatchObject({
      code: 'MIGRATION_MISSING',
      message: expect.stringContaining('00002_merged_late'),
    })
    const older = await database.up([first, late])
    expect(older.warnings.map(({ code }) => code)).toEqual(['FUTURE_VERSION'])
    expect(await database.states([first, late])).toEqual(['00001 applied', '00002 applied', '00003 future'])
  })
})
