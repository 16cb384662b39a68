import { describe, expect, test } from '@jest/globals'

import { ExitCode } from '../../../src/core/exit-code.js'
import type { Warning } from '../../../src/core/progress.js'
import { history } from '../../../src/migrations/run/history.js'
import { retryNotes } from '../../../src/migrations/run/retry-notes.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const NEXT = expect.stringContaining('"chroma-ops migrate up"')

describe('what stops a migration names it, and the next command', () => {
  test('a check that throws an error of its own is a check that failed', async () => {
    const database = await openDatabase()
    const picky = migration('00001', {
      check() {
        throw new Error('the tags are not migrated yet')
      },
      up: (m) => m.collection('docs').create(),
    })
    await expect(database.up([picky])).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      exitCode: ExitCode.refused,
      message: 'the check of migration 00001_test (00001_test.ts) failed: the tags are not migrated yet',
      hint: NEXT,
    })
    expect(await database.states([picky])).toEqual(['00001 pending'])
  })

  test('a check of a collection that is not there', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const picky = migration('00001', {
      check: (m) => m.collection('dogs').requireDocuments(),
      up: (m) => m.collection('docs').rename('pages'),
    })
    await expect(database.up([picky])).rejects.toMatchObject({
      code: 'COLLECTION_NOT_FOUND',
      exitCode: ExitCode.notFound,
      message: expect.stringContaining('the check of migration 00001_test (00001_test.ts) failed: '),
      hint: expect.stringMatching(/choose from: docs;.*"chroma-ops migrate up"/),
    })
  })

  test('a collection that is missing, and code that throws, before anything is done', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const missing = migration('00001', { up: (m) => m.collection('dogs').rename('cats') })
    await expect(database.up([missing])).rejects.toMatchObject({
      code: 'COLLECTION_NOT_FOUND',
      exitCode: ExitCode.notFound,
      message: 'migration 00001_test (00001_test.ts) cannot be applied: no collection named dogs',
      hint: expect.stringMatching(/choose from: docs;.*"chroma-ops migrate up"/),
    })
    const throwing = migration('00001', {
      up() {
        throw new TypeError('no such setting')
      },
    })
    await expect(database.up([throwing])).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      exitCode: ExitCode.failed,
      message: 'migration 00001_test (00001_test.ts) cannot be applied: TypeError: no such setting',
      hint: NEXT,
    })
  })

  test('a collection that is missing while it runs', async () => {
    const database = await openDatabase()
    const docs = await database.fill('docs')
    const careless = migration('00001', {
      async up(m) {
        await m.step('clean', () => api().deleteCollection(docs))
        await m.collection('docs').rename('pages')
      },
    })
    const { error } = await database.up([careless], { skipBackup: true })
    expect(error).toMatchObject({
      exitCode: ExitCode.notFound,
      message: expect.stringMatching(/^migration 00001_test failed at step 2 .*: no collection named /),
      hint: expect.stringContaining('"chroma-ops migrate abort"'),
    })
  })

  test('behind others that are applied', async () => {
    const database = await openDatabase()
    const first = migration('00001', { up: (m) => m.collection('docs').create() })
    const picky = migration('00002', {
      check: (m) => m.collection('docs').require({ minRecords: 1 }),
      up: (m) => m.collection('docs').rename('pages'),
    })
    const { error, migrations } = await database.up([first, picky])
    expect(migrations.map(({ status }) => status)).toEqual(['success', 'error'])
    expect(error).toMatchObject({
      code: 'CHECK_FAILED',
      message:
        'the check of migration 00002_test (00002_test.ts) failed: collection docs: it has 0 records, at least 1 is expected',
    })
  })
})

test('a provider that fails is told while it is asked again', async () => {
  const database = await openDatabase()
  await database.fill('docs')
  let failures = 1
  const provider = {
    async generate(texts: string[]) {
      if (failures-- > 0) throw Object.assign(new Error('overloaded'), { status: 503 })
      return texts.map(() => [1, 2, 3])
    },
  }
  const warnings: Warning[] = []
  const progress = { update: () => {}, warn: (warning: Warning) => void warnings.push(warning) }
  const reembed = migration('00001', {
    up: async (m) => m.collection('docs').reembed({ with: provider, model: 'm' }),
  })
  expect((await database.up([reembed], { progress })).error).toBeNull()
  expect(warnings).toEqual([
    {
      code: 'PROVIDER_RETRIED',
      message: expect.stringMatching(/embedding provider m: overloaded; asked again in \d+ s$/),
    },
  ])
})

test('notes of a provider that goes on failing are few', () => {
  const told: string[] = []
  let now = 0
  const note = retryNotes({ warn: ({ message }) => void told.push(message) }, () => now)
  for (now = 0; now <= 6_000; now += 1_000) note(`at ${now}`)
  expect(told).toEqual(['at 0', 'at 5000 (and 4 more since the last note)'])
})

test('what a migration throws is told and kept without its secrets', async () => {
  const database = await openDatabase()
  const leaking = migration('00001', {
    up: (m) =>
      m.step('leak', () => {
        throw new Error('https://ada:hunter22@queue.example refused sk-proj-0123456789 (token=zxcvbnm123)')
      }),
  })
  const { error, migrations } = await database.up([leaking], { skipBackup: true })
  const told = JSON.stringify([error?.message, migrations])
  expect(told).toContain('https://***@queue.example')

  const events = await history({ ...database.job([leaking]), version: null })
  const state = await database.find('chroma-ops.state')
  if (state === undefined) throw new Error('there is no state')
  const { documents, metadatas } = await api().get(state, { include: ['documents', 'metadatas'] })
  const kept = [
    ...documents,
    ...metadatas.map((metadata) => JSON.stringify([...(metadata ?? [])].map(String))),
  ]
  for (const text of [told, JSON.stringify(events), ...kept])
    expect(text).not.toMatch(/hunter22|sk-proj-0123456789|zxcvbnm123/)
  expect(kept.join('\n')).toContain('queue.example')
})
