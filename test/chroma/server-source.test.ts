import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { ServerSource, type ServerSourceOptions } from '../../src/chroma/server-source.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { SHADOW_KEY } from '../../src/chroma/shadow-marker.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import { displayName, type CollectionDefinition, type RecordBatch } from '../../src/core/records.js'
import { apiForSuite, apiThroughProxy, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { describeRecordSource } from '../helpers/record-source-conformance.js'
import { expectSameRecords, sampleBatch } from '../helpers/records.js'
import { seedServer } from '../helpers/server-seeds.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const cleanup: (() => Promise<void>)[] = []
let tempDir = ''

beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-source-'))
})
afterEach(async () => {
  for (const undo of cleanup.splice(0)) await undo()
})
afterAll(async () => {
  expect(await readdir(tempDir)).toEqual([])
  await rm(tempDir, { recursive: true })
})

function sourceOf(options: Partial<ServerSourceOptions> = {}): ServerSource {
  return new ServerSource({ api: api(), scope: { tenants: ['default_tenant'] }, tempDir, ...options })
}

/** All records; `during` runs after each batch. */
async function readAll(
  collection: CollectionDefinition,
  options: Partial<ServerSourceOptions> = {},
  during: (batch: RecordBatch, index: number) => Promise<void> = async () => {},
) {
  const reader = await sourceOf(options).openCollection(collection)
  const batches: RecordBatch[] = []
  for await (const batch of reader.batches()) {
    await during(batch, batches.length)
    batches.push(batch)
  }
  return { records: concatBatches(batches), batches, consistency: reader.consistency() }
}

async function filled(rows: number, dimension = 2): Promise<[CollectionDefinition, RecordBatch]> {
  const collection = await newCollection(api())
  const batch = sampleBatch({ rows, dimension, texts: false })
  await new ServerCollectionWriter(api(), collection).write(batch)
  return [await api().getCollection(collection), batch]
}

describeRecordSource('ServerSource', async (seeds) => {
  await seedServer(api(), seeds)
  const scope = { tenants: ['default_tenant', 'other_tenant'] }
  // Small answers, so that there are several batches.
  return { source: sourceOf({ scope, batchBytes: 50_000 }), dispose: async () => {} }
})

describe('what is listed', () => {
  test('collections that a restore is still building are left out', async () => {
    const shadow = await newCollection(api(), { metadata: new Map([[SHADOW_KEY, 'run']]) })
    const own = await newCollection(api())
    const listed = (await sourceOf().listCollections()).map(displayName)
    expect(listed).toContain(displayName(own))
    expect(listed).not.toContain(displayName(shadow))
  })

  test('one database of a tenant; a missing one is an error', async () => {
    const only = sourceOf({ scope: { tenants: ['default_tenant'], databases: ['second'] } })
    expect((await only.listCollections()).map(displayName)).toEqual(['default_tenant/second/same'])
    const typo = sourceOf({ scope: { tenants: ['default_tenant'], databases: ['secnd'] } })
    await expect(typo.listCollections()).rejects.toMatchObject({ code: 'DATABASE_NOT_FOUND', exitCode: 10 })
    const nobody = sourceOf({ scope: { tenants: ['nobody'] } })
    await expect(nobody.listCollections()).rejects.toMatchObject({ code: 'TENANT_NOT_FOUND', exitCode: 10 })
  })

  test('a collection that was deleted and made again under its name is another one', async () => {
    const old = await newCollection(api())
    await api().deleteCollection(old)
    await newCollection(api(), { name: old.name })
    await expect(sourceOf().openCollection(old)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
  })
})

describe('a large collection', () => {
  test('more records than one answer of the server can hold', async () => {
    const [collection, batch] = await filled(33_000, 1)
    const include = ['documents', 'metadatas'] as const
    await expect(api().get(collection, { include })).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    const { records, consistency } = await readAll(collection)
    expectSameRecords(records, batch)
    expect(consistency).toEqual({ added: 0, removed: 0, missing: 0 })
  })

  test('is listed in windows', async () => {
    const [collection, batch] = await filled(1_000)
    for (const windowIds of [7, 333, 500, 999, 1_000, 1_001])
      expect((await readAll(collection, { windowIds })).records.ids).toEqual(batch.ids)
  })

  test('a listing that breaks off in the middle goes on where it ended', async () => {
    const [collection, batch] = await filled(20_000, 1)
    let listings = 0
    const through = await apiThroughProxy(chroma().url, ({ path: address, body }) => {
      const isListing = address.endsWith('/get') && body.includes('"include":[]')
      const isSpoiled = isListing && ++listings <= 3
      return isSpoiled ? { kind: 'cut', bytes: 60_000 * listings, framing: 'chunked' } : undefined
    })
    cleanup.push(() => through.close())
    const { records, consistency } = await readAll(collection, { api: through.api })
    expect(records.ids).toEqual(batch.ids)
    expect(consistency).toEqual({ added: 0, removed: 0, missing: 0 })
    expect(listings).toBe(5)
  })

  test('answers stay near the size that was asked for', async () => {
    const collection = await newCollection(api())
    const small = sampleBatch({ rows: 100, dimension: 2 })
    const large = sampleBatch({ rows: 1_000, dimension: 2, first: 100 })
    const writer = new ServerCollectionWriter(api(), collection)
    await writer.write(small)
    await writer.write({ ...large, documents: large.ids.map((id) => id.repeat(200)) })
    const { batches } = await readAll(collection, { batchBytes: 100_000, concurrency: 1 })
    const sizes = batches.map((batch) => JSON.stringify(batch.documents).length)
    expect(batches[0]?.ids.length).toBeLessThanOrEqual(64)
    expect(Math.max(...batches.map(({ ids }) => ids.length))).toBeGreaterThan(100)
    // Long documents come as a surprise once; then requests are smaller.
    expect(sizes.slice(-3).every((size) => size < 300_000)).toBe(true)
  })
})

describe('documents of very different length', () => {
  test('an answer that would be far too large is not received: fewer are asked for', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 400, dimension: 2 })
    const documents = batch.documents.map((document, row) => (row < 200 ? document : 'x'.repeat(10_000)))
    await new ServerCollectionWriter(api(), collection).write({ ...batch, documents })
    const before = api().transport.stats.receivedBytes
    const { records, batches } = await readAll(collection, { batchBytes: 50_000, concurrency: 1 })
    expectSameRecords(records, { ...batch, documents })
    // The size aimed at is known when the first long ones come: the request was for 200 KB worth of them.
    expect(batches.some(({ ids }) => ids.length > 100)).toBe(true)
    expect(api().transport.stats.receivedBytes - before).toBeLessThan(2_300_000)
  })

  test('a single record may be as large as it is', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 3, dimension: 2 })
    const documents = ['small', 'x'.repeat(1_000_000), 'small']
    await api().add(collection, { ...batch, documents })
    const { records } = await readAll(collection, { batchBytes: 1_000 })
    expectSameRecords(records, { ...batch, documents })
  })
})

describe('while others write', () => {
  const rows = 3_000
  const options = { batchBytes: 20_000, concurrency: 2 }
  const anyId = (number: number) => `id${String(number).padStart(8, '0')}`

  test('additions and deletions are counted, and what existed throughout is there', async () => {
    const [collection, batch] = await filled(rows)
    const deleted = batch.ids.filter((_, row) => row % 3 === 0)
    const { records, consistency } = await readAll(collection, options, async (_, index) => {
      if (index !== 0) return
      await api().deleteRecords(collection, deleted)
      await api().add(collection, sampleBatch({ rows: 50, dimension: 2, first: rows }))
    })
    const gone = new Set(deleted)
    const read = new Set(records.ids)
    expect(batch.ids.filter((id) => !gone.has(id) && !read.has(id))).toEqual([])
    expect(read.size).toBe(records.ids.length)
    expect(consistency.added).toBe(50)
    expect(consistency.removed).toBe(deleted.length)
    expect(consistency.missing).toBe(rows - records.ids.length)
    expect(consistency.missing).toBeGreaterThan(0)
  })

  test('a record that is deleted and added again is not counted, and is read once', async () => {
    const [collection] = await filled(rows)
    const { records, consistency } = await readAll(collection, options, async (_, index) => {
      if (index !== 0) return
      const again = sampleBatch({ rows: 10, dimension: 2, first: 2_900 })
      await api().deleteRecords(collection, again.ids)
      await api().add(collection, again)
    })
    expect(new Set(records.ids).size).toBe(rows)
    expect(consistency).toEqual({ added: 0, removed: 0, missing: 0 })
  })

  test('deletions between the windows of a listing skip nothing', async () => {
    const [collection, batch] = await filled(1_000)
    const early = batch.ids.slice(0, 40)
    const disturbed = await beforeListing(async (listing) => {
      if (listing === 2) await api().deleteRecords(collection, early)
    })
    const { records } = await readAll(collection, { api: disturbed, windowIds: 300 })
    expect(records.ids).toEqual(batch.ids.slice(40))
  })

  test('a listing that deletions disturb again and again is taken in one piece', async () => {
    const [collection, batch] = await filled(1_000)
    const disturbed = await beforeListing(async (listing) => {
      await api().deleteRecords(collection, [anyId(listing)])
    })
    const { records } = await readAll(collection, { api: disturbed, windowIds: 300 })
    expect(records.ids).toEqual([anyId(0), ...batch.ids.slice(1 + batch.ids.length - records.ids.length)])
    expect(records.ids.length).toBeGreaterThan(980)
  })

  test('a busy writer does not make any record that stays disappear', async () => {
    const [collection, batch] = await filled(rows)
    const stop = new AbortController()
    const writing = write(collection, stop.signal)
    const { records } = await readAll(collection, { ...options, windowIds: 700 })
    stop.abort()
    const touched = await writing
    const read = new Set(records.ids)
    expect(batch.ids.filter((id) => !touched.has(id) && !read.has(id))).toEqual([])
    expect(read.size).toBe(records.ids.length)
  })

  /** Deletes and adds until it is told to stop; the ids that it deleted. */
  async function write(collection: CollectionDefinition, signal: AbortSignal): Promise<Set<string>> {
    const touched = new Set<string>()
    for (let turn = 0; !signal.aborted; turn++) {
      const ids = Array.from({ length: 5 }, (_, index) => anyId((turn * 37 + index * 11) % rows))
      for (const id of ids) touched.add(id)
      await api().deleteRecords(collection, ids)
      await api().add(collection, sampleBatch({ rows: 3, dimension: 2, first: rows + turn * 3 }))
    }
    return touched
  }
})

/** An API that does something before each request for a list of ids; they are counted from 1. */
async function beforeListing(act: (listing: number) => Promise<void>): Promise<ChromaApi> {
  let listings = 0
  const through = await apiThroughProxy(chroma().url, async ({ path: address, body }) => {
    if (address.endsWith('/get') && body.includes('"include":[]')) await act(++listings)
    return undefined
  })
  cleanup.push(() => through.close())
  return through.api
}
