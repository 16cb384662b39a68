import { tmpdir } from 'node:os'

import { beforeAll, describe, expect, test } from '@jest/globals'

import { serverLookup } from '../../src/chroma/server-lookup.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { apiForSuite, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { loseVectors } from '../helpers/lose-vectors.js'
import { expectSameRecords, sampleBatch } from '../helpers/records.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

async function readAll(collection: CollectionDefinition): Promise<RecordBatch> {
  const scope = { tenants: ['default_tenant'] }
  const source = new ServerSource({ api: api(), scope, tempDir: tmpdir(), batchBytes: 40_000 })
  const batches: RecordBatch[] = []
  for await (const batch of (await source.openCollection(collection)).batches()) batches.push(batch)
  return concatBatches(batches)
}

/** The batch as it is when the vectors of these rows are lost. */
function withoutVectors(batch: RecordBatch, missing: readonly number[]): RecordBatch {
  const embeddings = batch.embeddings.slice()
  for (const row of missing) embeddings.fill(0, row * batch.dimension, (row + 1) * batch.dimension)
  return { ...batch, embeddings, missingEmbeddings: missing }
}

describe('a collection that has lost vectors', () => {
  const dimension = 4
  const lost = sampleBatch({ rows: 200, dimension })
  const later = sampleBatch({ rows: 30, dimension, first: 200 })
  // The log keeps the last record that was saved to the index, and its vector with it.
  const lostRows = Array.from({ length: 199 }, (_, row) => row)
  let collection: CollectionDefinition

  beforeAll(async () => {
    collection = await newCollection(api(), { hnsw: { sync_threshold: 100 } })
    await new ServerCollectionWriter(api(), collection).write(lost)
  })

  test('every record is delivered, those that have lost their vectors without', async () => {
    await loseVectors(chroma(), collection)
    expect(await api().count(collection)).toBe(200)
    expectSameRecords(await readAll(collection), withoutVectors(lost, lostRows))
  })

  test('among others, which are delivered whole', async () => {
    await new ServerCollectionWriter(api(), collection).write(later)
    const read = await readAll(collection)
    expectSameRecords(read, withoutVectors(concatBatches([lost, later]), lostRows))
    const ids = ['id00000205', 'id00000003', 'id00000201', 'gone']
    const found = await serverLookup(api(), collection).fetch(ids)
    expect([found.ids, found.missingEmbeddings]).toEqual([ids.slice(0, 3), [1]])
  })
})

test('a file of vectors that was cut off: every record is delivered, most without their vectors', async () => {
  const batch = sampleBatch({ rows: 200, dimension: 4 })
  const collection = await newCollection(api(), { hnsw: { sync_threshold: 100 } })
  await new ServerCollectionWriter(api(), collection).write(batch)
  await loseVectors(chroma(), collection, 'truncated')
  const read = await readAll(collection)
  // The server takes what its memory happens to hold for vectors, and finds some by chance.
  expect(read.missingEmbeddings.length).toBeGreaterThan(100)
  const texts = { ...read, embeddings: batch.embeddings, missingEmbeddings: [] }
  expectSameRecords(texts, batch)
})
