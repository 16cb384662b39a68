import { setTimeout as pause } from 'node:timers/promises'

import { expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { simpleRecords } from '../helpers/simple-collection.js'
import { waitUntil } from '../helpers/wait-until.js'

const chroma = chromaForSuite()
const DIMENSION = 256
const RECORDS = 8_000
const ROUNDS = 8
const SYNC_THRESHOLD = 10

/**
 * Chroma saves the whole index, in place, after every {@link SYNC_THRESHOLD} writes: a kill at that moment
 * leaves it unreadable. Here it does little else.
 */
test('stopping in the middle of writes leaves every confirmed record with its vector', async () => {
  const name = { tenant: 'default_tenant', database: 'default_database', name: 'busy' }
  const hnsw = new Map([
    ['sync_threshold', BigInt(SYNC_THRESHOLD)],
    ['max_neighbors', 4n],
    ['ef_construction', 10n],
  ])
  const first = await open()
  const collection = await first.createCollection({
    ...name,
    metadata: null,
    schema: null,
    configuration: new Map([['hnsw', hnsw]]),
  })
  const records = wideRecords(0, RECORDS)
  await first.add(collection, records)
  await first.transport.close()
  const confirmed = [...records.ids]
  for (let round = 0; round < ROUNDS; round++) {
    await stopWhileWriting(collection, confirmed)
    await chroma().restart()
    await expectVectors(collection, confirmed)
  }
}, 120_000)

async function stopWhileWriting(collection: CollectionDefinition, confirmed: string[]): Promise<void> {
  const api = await open()
  const before = confirmed.length
  const writing = (async () => {
    for (;;) {
      const batch = wideRecords(confirmed.length, SYNC_THRESHOLD)
      await api.add(collection, batch)
      confirmed.push(...batch.ids)
    }
  })()
  await waitUntil('something is written', () => confirmed.length > before, { pollMs: 5 })
  await pause(50 * Math.random())
  await Promise.all([chroma().halt(), expect(writing).rejects.toThrow(), api.transport.close()])
}

/** A torn index fails as a whole, so the first and the last ones are enough. */
async function expectVectors(collection: CollectionDefinition, confirmed: readonly string[]): Promise<void> {
  const api = await open()
  const ids = [...confirmed.slice(0, 100), ...confirmed.slice(-100)]
  const batch = await api.get(collection, { ids, include: ['embeddings'] })
  expect(batch.missingEmbeddings).toEqual([])
  expect(batch.ids).toHaveLength(ids.length)
  await api.transport.close()
}

async function open(): Promise<ChromaApi> {
  return new ChromaApi(await connectTransport({ url: chroma().url }))
}

function wideRecords(first: number, count: number): RecordBatch {
  const embeddings = Float32Array.from({ length: count * DIMENSION }, Math.random)
  return { ...simpleRecords(first, count), dimension: DIMENSION, embeddings }
}
