import { expect, test } from '@jest/globals'

import { defineMigration, testMigration } from '../../src/migrate.js'
import { chromaForSuite } from '../helpers/chroma-server.js'

const chroma = chromaForSuite()

test(
  'every kind of step bears a crash at every write',
  async () => {
    const report = await testMigration({
      url: chroma().url,
      crashes: 10_000,
      fixtures: async (database) => {
        for (const name of ['docs', 'notes', 'old']) {
          const collection = await database.collection(name, { metadata: { of: name } })
          await collection.upsert(
            [1, 2, 3, 4].map((n) => ({
              ...{ id: `${name}-${n}`, embedding: [n, 1, 0], document: `text ${n}` },
              metadata: { n, even: n % 2 === 0 },
            })),
          )
        }
      },
      migration: defineMigration({
        description: 'one of each',
        async up(m) {
          await m
            .collection('docs')
            .transform((record) => ({ ...record, document: `${record.document ?? ''}!` }))
            .changeSpace('cosine')
          await m.collection('docs').setMetadata((previous) => ({ ...previous, owner: 'search' }))
          await m.collection('docs').rename('pages')
          await m.collection('pages').setConfiguration({ hnsw: { ef_search: 200 } })
          await m.collection('pages').copyTo('archive')
          await m
            .collection('archive')
            .split(
              (record) => (record.metadata?.['even'] === true ? 'archive-even' : 'archive-odd'),
              ['archive-even', 'archive-odd'],
            )
          await m.collection('notes').merge(['old'], { into: 'everything' })
          await m.collection('old').drop()
          await m.collection('fresh').create({ space: 'ip', metadata: { made: true } })
          await m.collection('pages').changeDimension(2)
        },
      }),
    })
    expect(report.checks.filter(({ passed }) => passed === false)).toEqual([])
    expect(report.crashes).toBeGreaterThan(50)
  },
  60 * 60_000,
)
