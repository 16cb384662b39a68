import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import type { RecordBatch, Space } from '../../src/core/records.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` has more. */
const PROBES = Number(process.env['CHROMA_OPS_TEST_PROBES'] ?? 60)
const RECORDS = 1_200
const DIMENSION = 24
const NEAREST = 10

const source = chromaForSuite()
const target = chromaForSuite()
const spaces: readonly Space[] = ['l2', 'cosine', 'ip']
const home = { tenant: 'default_tenant', database: 'default_database' } as const
const records = sampleBatch({ rows: RECORDS, dimension: DIMENSION })
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-queries-'))
  await withApi(source().url, (api) =>
    seedServer(
      api,
      spaces.map((space) => ({ ...home, name: `space-${space}`, metadata: null, space, records })),
    ),
  )
  const repo = path.join(folder, 'backups')
  await backUp(source().url, repo)
  await runJson(['restore', 'latest', '--repo', repo, '--url', target().url])
})

afterAll(() => rm(folder, { recursive: true }))

test.each(spaces)('%s: the nearest ten are those of an exact search, before and after', async (space) => {
  const found = { source: 0, target: 0 }
  await withApi(source().url, async (sourceApi) => {
    await withApi(target().url, async (targetApi) => {
      for (let probe = 0; probe < PROBES; probe++) {
        const vector = sampleBatch({ rows: 1, dimension: DIMENSION, first: 100_000 + probe }).embeddings
        const exact = new Set(exactSearch(records, vector, space))
        found.source += (await nearest(sourceApi, `space-${space}`, vector)).filter((id) =>
          exact.has(id),
        ).length
        found.target += (await nearest(targetApi, `space-${space}`, vector)).filter((id) =>
          exact.has(id),
        ).length
      }
    })
  })
  const all = PROBES * NEAREST
  expect(found.source / all).toBeGreaterThan(0.9)
  expect(found.target / all).toBeGreaterThanOrEqual(found.source / all - 0.01)
})

async function nearest(api: ChromaApi, name: string, vector: Float32Array): Promise<string[]> {
  const collection = await api.getCollection({ ...home, name })
  return (await api.query(collection, { vector, limit: NEAREST, withVectors: false })).map(({ id }) => id)
}

function exactSearch({ ids, embeddings }: RecordBatch, vector: Float32Array, space: Space): string[] {
  const distances = ids.map((id, row) => {
    const other = embeddings.subarray(row * DIMENSION, (row + 1) * DIMENSION)
    return { id, distance: distance(other, vector, space) }
  })
  distances.sort((a, b) => a.distance - b.distance)
  return distances.slice(0, NEAREST).map(({ id }) => id)
}

function distance(a: Float32Array, b: Float32Array, space: Space): number {
  if (space === 'l2') return a.reduce((sum, value, at) => sum + (value - (b[at] ?? 0)) ** 2, 0)
  const length = space === 'cosine' ? Math.hypot(...a) * Math.hypot(...b) : 1
  return 1 - dot(a, b) / length
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0)
}
