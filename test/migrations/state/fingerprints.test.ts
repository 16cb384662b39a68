import { afterEach, describe, expect, test } from '@jest/globals'

import { KEPT_KEY } from '../../../src/core/migration-keys.js'
import { findDrift, takeFingerprints } from '../../../src/migrations/state/fingerprints.js'
import type { MigrationRow } from '../../../src/migrations/state/row.js'
import { apiForSuite, home, newCollection } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migrationRow } from '../../helpers/migration-rows.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

afterEach(async () => {
  for (const collection of await all()) await api().deleteCollection(collection)
})

describe('drift of the database', () => {
  test('is not that records come and go, nor that the first one brings the dimension', async () => {
    await newCollection(api(), { name: 'docs', hnsw: { space: 'cosine' } })
    const rows = [await applied('00001', ['docs'])]
    await addTo('docs', [1, 2, 3])
    expect(await drift(rows)).toEqual([])
    const later = [...rows, await applied('00002', ['docs'])]
    expect(later[1]?.fingerprints).toMatchObject([{ dimension: 3, space: 'cosine', count: 1 }])
    await api().deleteRecords(await docs(), ['a'])
    expect(await drift(later)).toEqual([])
  })

  test('is that a collection was made again, with another space and dimension', async () => {
    await newCollection(api(), { name: 'docs', hnsw: { space: 'cosine' } })
    await addTo('docs', [1, 2, 3])
    const rows = [await applied('00001', ['docs'])]
    await api().deleteCollection(await docs())
    await newCollection(api(), { name: 'docs' })
    await addTo('docs', [1, 2])
    expect(await drift(rows)).toMatchObject([
      {
        version: '00001',
        expected: { space: 'cosine', dimension: 3 },
        actual: { space: 'l2', dimension: 2 },
        differences: [
          'another collection has the name docs: made again, or restored',
          'its space is l2, not cosine',
          'its dimension is 2, not 3',
        ],
      },
    ])
  })

  test('is that one is gone, or there again', async () => {
    await newCollection(api(), { name: 'docs' })
    const rows = [await applied('00001', ['docs', 'dropped'])]
    await api().deleteCollection(await docs())
    await newCollection(api(), { name: 'dropped' })
    expect((await drift(rows)).map(({ differences }) => differences)).toEqual([
      ['docs is gone'],
      ['dropped was gone and is there again'],
    ])
  })

  test('the last migration that touched a collection counts, also one that was reverted', async () => {
    await newCollection(api(), { name: 'docs' })
    const first = await applied('00001', ['docs'])
    await api().updateCollection(await docs(), { newName: 'papers' })
    const renamed = await applied('00002', ['papers'])
    expect(await drift([first, renamed])).toEqual([])
    const unrelated = await applied('00003', [])
    const failed: MigrationRow = { ...first, version: '00004', status: 'interrupted' }
    expect(await drift([first, renamed, unrelated, failed])).toEqual([])
    const papers = await api().getCollection({ ...home, name: 'papers' })
    await api().updateCollection(papers, { newName: 'docs' })
    const reverted: MigrationRow = { ...(await applied('00002', ['docs', 'papers'])), status: 'reverted' }
    expect(await drift([first, reverted])).toEqual([])
  })

  test('is not that an old collection is dropped in the end', async () => {
    const metadata = new Map([[KEPT_KEY, '00001']])
    const old = await newCollection(api(), { name: 'docs.old-00000000', metadata })
    const rows = [await applied('00001', ['docs.old-00000000'])]
    await api().deleteCollection(old)
    expect(await drift(rows)).toEqual([])
  })
})

async function applied(version: string, names: readonly string[]): Promise<MigrationRow> {
  const fingerprints = await takeFingerprints(api(), home, names)
  return migrationRow({ version, status: 'applied', fingerprints })
}

async function drift(rows: readonly MigrationRow[]) {
  return findDrift(rows, await all())
}

function all() {
  return api().listCollections(home.tenant, home.database)
}

function docs() {
  return api().getCollection({ ...home, name: 'docs' })
}

async function addTo(name: string, vector: readonly number[]): Promise<void> {
  await api().add(await api().getCollection({ ...home, name }), {
    ids: ['a'],
    dimension: vector.length,
    embeddings: Float32Array.from(vector),
    missingEmbeddings: [],
    documents: [null],
    uris: [null],
    metadatas: [null],
  })
}
