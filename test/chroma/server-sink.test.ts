import { afterEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { serverLookup } from '../../src/chroma/server-lookup.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { sliceRows } from '../../src/core/batch-rows.js'
import { AbortedError } from '../../src/core/errors.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { apiForSuite, apiThroughProxy, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import type { Fault, ProxiedRequest } from '../helpers/fault-proxy.js'
import { batchOf } from '../helpers/memory-source.js'
import { anyBatch, expectSameRecords, sampleBatch } from '../helpers/records.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const cleanup: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const undo of cleanup.splice(0)) await undo()
})

/** A writer whose requests to add go through `decide`, counted from 1. */
async function writerThrough(
  collection: CollectionDefinition,
  decide: (add: number, request: ProxiedRequest) => Fault | undefined,
  options: { readonly bodyBytes?: number } = {},
) {
  const bodies: number[] = []
  const through = await apiThroughProxy(chroma().url, (request) => {
    if (!request.path.endsWith('/add')) return undefined
    bodies.push(request.body.length)
    return decide(bodies.length, request)
  })
  cleanup.push(() => through.close())
  const writer = new ServerCollectionWriter(through.api, collection, options)
  return { writer, bodies, requests: () => through.proxy.requests.map(({ path }) => path.split('/').at(-1)) }
}

const allOf = (collection: CollectionDefinition, ids: readonly string[]) =>
  serverLookup(api(), { ...collection, dimension: 3 }).fetch(ids)

describe('what is written', () => {
  test('is read back without loss, whatever it is', async () => {
    const collection = await newCollection(api())
    const writer = new ServerCollectionWriter(api(), collection)
    await fc.assert(
      fc.asyncProperty(anyBatch(3), async (batch) => {
        await writer.write(batch)
        expectSameRecords(await writer.readBack(batch.ids), batch)
        await api().deleteRecords(collection, batch.ids)
      }),
      { numRuns: 60 },
    )
  })

  test('vectors of a cosine collection come back within 4 units of the last place', async () => {
    const collection = await newCollection(api(), { hnsw: { space: 'cosine' } })
    const batch = sampleBatch({ rows: 200, dimension: 16 })
    await new ServerCollectionWriter(api(), collection).write(batch)
    expectSameRecords(await allOf(collection, batch.ids), batch, 'cosine')
  })

  test('keeps its order over several requests, each as large as allowed', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 500, dimension: 3 })
    const { writer, bodies } = await writerThrough(collection, () => undefined, { bodyBytes: 20_000 })
    await writer.write(sliceRows(batch, 0, 300))
    await writer.write(sliceRows(batch, 300, 500))
    expectSameRecords(await api().get(collection, { include: everything }), batch)
    expect(bodies.length).toBeGreaterThan(3)
    expect(Math.max(...bodies)).toBeLessThan(30_000)
  })

  test('is never more at once than the server wants', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 6_000, dimension: 1 })
    const { writer, bodies } = await writerThrough(collection, () => undefined)
    await writer.write({ ...batch, documents: batch.ids.map(() => null) })
    expect(bodies.length).toBe(2)
    expect(await api().count(collection)).toBe(6_000)
  })

  test('a record larger than the server takes is refused with its reason', async () => {
    const collection = await newCollection(api())
    const document = 'x'.repeat(41 * 1024 * 1024)
    const writer = new ServerCollectionWriter(api(), collection)
    await expect(writer.write(batchOf([{ id: 'a', embedding: [1], document }]))).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    })
  })

  test('what a gateway finds too large is sent in halves', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 100, dimension: 3 })
    const tooLarge = ({ body }: ProxiedRequest) => body.length > 6_000
    const { writer } = await writerThrough(collection, (_, request) =>
      tooLarge(request) ? { kind: 'status', status: 413, body: 'Payload too large' } : undefined,
    )
    await writer.write(batch)
    expectSameRecords(await api().get(collection, { include: everything }), batch)
  })

  test('a signal stops it between two requests', async () => {
    const collection = await newCollection(api())
    const stop = new AbortController()
    const { writer } = await writerThrough(
      collection,
      (add) => {
        if (add === 2) stop.abort()
        return undefined
      },
      { bodyBytes: 5_000 },
    )
    await expect(writer.write(sampleBatch({ rows: 500, dimension: 3 }), stop.signal)).rejects.toThrow(
      AbortedError,
    )
    expect(await api().count(collection)).toBeLessThan(500)
  })
})

describe('when an answer is lost', () => {
  test.each<[string, Fault]>([
    ['after the server has written', { kind: 'reset', when: 'after' }],
    ['before the server has seen the request', { kind: 'reset', when: 'before' }],
    ['by a gateway that gives up', { kind: 'status', status: 503 }],
  ])('%s, the records are there once, in order, and were read back', async (_, fault) => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 300, dimension: 3 })
    const { writer, requests } = await writerThrough(collection, (add) => (add === 2 ? fault : undefined), {
      bodyBytes: 10_000,
    })
    await writer.write(batch)
    expectSameRecords(await api().get(collection, { include: everything }), batch)
    expect(requests().filter((operation) => operation === 'get').length).toBe(1)
  })

  test('an existing record is left as it is', async () => {
    const collection = await newCollection(api())
    const writer = new ServerCollectionWriter(api(), collection)
    await writer.write(batchOf([{ id: 'a', embedding: [1, 2], document: 'first' }]))
    await writer.write(batchOf([{ id: 'a', embedding: [3, 4], document: 'second' }]))
    expect((await writer.readBack(['a'])).documents).toEqual(['first'])
  })
})

const everything = ['embeddings', 'documents', 'metadatas', 'uris'] as const
