import { describe, expect, test } from '@jest/globals'

import { serverLookup } from '../../src/chroma/server-lookup.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { SHADOW_KEY } from '../../src/chroma/shadow-marker.js'
import { displayName } from '../../src/core/records.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { describeRecordSource } from '../helpers/record-source-conformance.js'
import { expectSameRecords, sampleBatch } from '../helpers/records.js'
import { seedServer } from '../helpers/server-seeds.js'
import { isListing, sourceForSuite } from '../helpers/source-on-server.js'

const { api, sourceOf, readAll, filled, apiThrough } = sourceForSuite()

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
    // By id it refuses them, too; a lookup then asks in halves.
    expectSameRecords(await serverLookup(api(), collection).fetch(batch.ids), batch)
  })

  test('what a gateway finds too large to ask for is asked for in halves, and not asked again', async () => {
    const [collection, batch] = await filled(2_000)
    let refused = 0
    const narrow = await apiThrough(({ path, body }) => {
      if (!path.endsWith('/get') || body.length < 3_000) return undefined
      refused++
      return { kind: 'status', status: 413, body: 'Payload too large' }
    })
    expectSameRecords((await readAll(collection, { api: narrow, concurrency: 1 })).records, batch)
    expect(refused).toBe(1)
  })

  test('is listed in windows', async () => {
    const [collection, batch] = await filled(1_000)
    for (const windowIds of [7, 333, 500, 999, 1_000, 1_001])
      expect((await readAll(collection, { windowIds })).records.ids).toEqual(batch.ids)
  })

  test('a listing that breaks off in the middle goes on where it ended', async () => {
    const [collection, batch] = await filled(20_000, 1)
    let listings = 0
    const cut = await apiThrough((request) => {
      const isSpoiled = isListing(request) && ++listings <= 3
      return isSpoiled ? { kind: 'cut', bytes: 60_000 * listings, framing: 'chunked' } : undefined
    })
    const { records, consistency } = await readAll(collection, { api: cut })
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
    const { records, batches } = await readAll(collection, { batchBytes: 50_000 })
    expectSameRecords(records, { ...batch, documents })
    const sizes = batches.map((one) => JSON.stringify(one.documents).length)
    expect(Math.max(...sizes)).toBeGreaterThan(20_000)
    expect(Math.max(...sizes)).toBeLessThan(200_000)
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
