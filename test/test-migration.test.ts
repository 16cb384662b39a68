import { expect, test } from '@jest/globals'

import { defineMigration, testMigration, type MigrationDefinition } from '../src/migrate.js'
import type { ManagedDatabase } from '../src/managed-database.js'
import { chromaForSuite, testCacheDir } from './helpers/chroma-server.js'

const chroma = chromaForSuite()

async function fixtures(database: ManagedDatabase): Promise<void> {
  const docs = await database.collection('docs')
  await docs.upsert(
    [1, 2, 3].map((n) => ({ id: `doc-${n}`, embedding: [n, 1], document: `text ${n}`, metadata: { n } })),
  )
}

function tried(migration: MigrationDefinition, crashes: number) {
  return testMigration({ migration, fixtures, crashes, url: chroma().url })
}

test('a sound migration passes: up, up again, down and up, and after crashes', async () => {
  const report = await tried(
    defineMigration({
      description: 'cosine, and another name',
      async up(m) {
        await m.collection('docs').changeSpace('cosine')
        await m.collection('docs').rename('pages')
      },
    }),
    4,
  )
  expect(report).toEqual({
    passed: true,
    steps: 2,
    crashes: 8,
    checks: ['up', 'up again', 'down', 'down and up', 'crash', 'crash of down'].map((name) => ({
      name,
      passed: true,
      problem: null,
    })),
  })
})

test('a step that does not bear being done twice is found', async () => {
  const report = await tried(
    defineMigration({
      description: 'counts one up',
      async up(m) {
        await m.client('count up', async (client) => {
          const docs = await client.getCollection({ name: 'docs' })
          const { metadatas } = await docs.get({ ids: ['doc-1'] })
          await docs.update({ ids: ['doc-1'], metadatas: [{ n: Number(metadatas[0]?.['n']) + 1 }] })
        })
      },
    }),
    40,
  )
  expect(report.checks[0]).toEqual({ name: 'up', passed: true, problem: null })
  expect(report.checks.find(({ name }) => name === 'down')).toMatchObject({ passed: null })
  expect(report.checks.find(({ name }) => name === 'crash')).toMatchObject({
    passed: false,
    problem: expect.stringMatching(/after a crash .*record "doc-1" of docs/),
  })
})

test('a way back that does not lead back is found, and a migration that fails', async () => {
  const lost = await tried(
    defineMigration({
      description: 'forgets a record',
      async up(m) {
        await m.collection('docs').filter(({ id }) => id !== 'doc-2')
      },
      async down(m) {
        await m.collection('docs').setMetadata({ reverted: true })
      },
    }),
    0,
  )
  expect(lost.checks.find(({ name }) => name === 'down')).toMatchObject({ passed: false })

  const failing = await tried(
    defineMigration({ description: 'fails', up: (m) => m.step('no', () => Promise.reject(new Error('no'))) }),
    0,
  )
  expect(failing).toMatchObject({ passed: false, checks: [{ name: 'up', passed: false }] })
})

test('brings a server of its own', async () => {
  const report = await testMigration({
    migration: defineMigration({ description: 'one', up: (m) => m.collection('one').create() }),
    fixtures,
    crashes: 1,
    cacheDir: testCacheDir,
  })
  expect(report.passed).toBe(true)
})
