import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import {
  ChromaConflictError,
  CollectionNotFoundError,
  DatabaseNotFoundError,
  TenantNotFoundError,
} from '../../src/chroma/errors.js'
import { apiForSuite, apiThroughProxy, home, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import type { Fault, ProxiedRequest } from '../helpers/fault-proxy.js'
import { expectSameRecords, sampleBatch } from '../helpers/records.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const cleanup: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const undo of cleanup.splice(0)) await undo()
})

/** An API behind a proxy that treats the first request that fits badly. */
async function apiWithFault(
  fits: (request: ProxiedRequest) => boolean,
  fault: Fault,
): Promise<{ api: ChromaApi; faults: () => number }> {
  let done = false
  const through = await apiThroughProxy(chroma().url, (request) => {
    if (done || !fits(request)) return undefined
    done = true
    return fault
  })
  cleanup.push(() => through.close())
  return { api: through.api, faults: () => through.proxy.faults }
}

describe('the server', () => {
  test('tells its time, its state and its limits', async () => {
    expect(await api().heartbeat()).toBeGreaterThan(2n ** 53n)
    expect(await api().healthcheck()).toEqual({ executorReady: true, logClientReady: true })
    expect(await api().preFlight()).toEqual({ maxBatchSize: 5461, base64: true })
  })

  test('is recognised by the paths it knows, not by the version it claims', async () => {
    expect(await api().fingerprint()).toEqual({
      claimedVersion: '1.0.0',
      atLeast: '1.5.7',
      evidence: expect.arrayContaining(['/openapi.json has …/search (1.1 and newer)']),
      capabilities: { schema: true, search: true, byId: true },
    })
  })
})

describe('tenants and databases', () => {
  beforeAll(async () => {
    await api().createTenant('acme')
    for (const name of ['zoo', 'archive']) await api().createDatabase('acme', name)
  })

  test('creating one that is there is no error', async () => {
    await api().createTenant('acme')
    await api().createDatabase('acme', 'zoo')
    expect(await api().listDatabases('acme')).toEqual(['archive', 'zoo'])
  })

  test('a missing tenant is named, where the server would show an empty list', async () => {
    await expect(api().listDatabases('nobody')).rejects.toThrow(TenantNotFoundError)
    await expect(api().createDatabase('nobody', 'x')).rejects.toMatchObject({
      exitCode: 10,
      message: 'no tenant named nobody',
    })
  })

  test('a missing database is named, where the server would show an empty list', async () => {
    const listing = api().listCollections('acme', 'nope')
    await expect(listing).rejects.toThrow(DatabaseNotFoundError)
    await expect(listing).rejects.toMatchObject({
      exitCode: 10,
      message: 'no database named nope',
      hint: 'choose from: archive, zoo',
    })
  })

  test('names that need escaping', async () => {
    const [tenant, database] = ['a/b ü?%20#', 'c-d.e_f']
    await api().createTenant(tenant)
    await api().createDatabase(tenant, database)
    expect(await api().listDatabases(tenant)).toEqual([database])
    const created = await newCollection(api(), { tenant, database, name: 'docs' })
    expect(await api().listCollections(tenant, database)).toEqual([created])
    expect(await api().count(created)).toBe(0)
  })

  test('more collections than fit on a page', async () => {
    const names = Array.from({ length: 205 }, (_, index) => `many-${String(index).padStart(4, '0')}`)
    for (let at = 0; at < names.length; at += 41)
      await Promise.all(
        names
          .slice(at, at + 41)
          .map((name) => newCollection(api(), { tenant: 'acme', database: 'zoo', name })),
      )
    const listed = await api().listCollections('acme', 'zoo')
    expect(listed.map(({ name }) => name).sort()).toEqual(names)
  })
})

describe('collections', () => {
  test('one is found by its name', async () => {
    const created = await newCollection(api(), { name: 'found' })
    expect(await api().getCollection({ ...home, name: 'found' })).toEqual(created)
    expect(await api().findCollection({ ...home, name: 'not-there' })).toBeUndefined()
  })

  test('an unknown one is named, with the known ones as a hint', async () => {
    await api().createDatabase('default_tenant', 'two')
    for (const name of ['docs', 'images']) await newCollection(api(), { database: 'two', name })
    await expect(api().getCollection({ ...home, database: 'two', name: 'nope' })).rejects.toMatchObject({
      code: 'COLLECTION_NOT_FOUND',
      exitCode: 10,
      message: 'no collection named nope',
      hint: expect.stringMatching(/^choose from: (docs, images|images, docs)$/),
    })
  })

  test('a name that is taken is a conflict', async () => {
    const { name } = await newCollection(api())
    await expect(newCollection(api(), { name })).rejects.toThrow(ChromaConflictError)
  })

  test('name and metadata change in one request, and metadata can be removed', async () => {
    const before = await newCollection(api(), { metadata: new Map([['a', 1n]]) })
    await api().updateCollection(before, { newName: 'renamed', newMetadata: new Map([['b', 1]]) })
    const after = await api().getCollection({ ...home, name: 'renamed' })
    expect([after.id, after.metadata]).toEqual([before.id, new Map([['b', 1]])])
    await api().updateCollection(after, { newMetadata: null })
    expect((await api().getCollection(after)).metadata).toBeNull()
  })

  test('renaming to a name that is taken is a conflict and changes nothing', async () => {
    const [one, other] = [await newCollection(api()), await newCollection(api())]
    await expect(api().updateCollection(one, { newName: other.name })).rejects.toThrow(ChromaConflictError)
    expect(await api().getCollection(one)).toEqual(one)
  })

  test('deleting spares a collection that has taken the name meanwhile', async () => {
    const { name, ...old } = await newCollection(api())
    await api().deleteCollection({ ...old, name })
    const successor = await newCollection(api(), { name })
    await expect(api().deleteCollection({ ...old, name })).rejects.toThrow(CollectionNotFoundError)
    expect(await api().getCollection(successor)).toEqual(successor)
  })

  test('the records of a collection that is gone are not found', async () => {
    const gone = await newCollection(api(), { name: 'gone' })
    await api().deleteCollection(gone)
    const calls = [
      () => api().count(gone),
      () => api().get(gone, { include: [] }),
      () => api().add(gone, sampleBatch({ rows: 1, dimension: 2 })),
      () => api().listIds(gone, {}).next(),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toThrow(CollectionNotFoundError)
      await expect(call()).rejects.toThrow('no collection named gone')
    }
  })
})

describe('records', () => {
  test('are added, counted, listed, fetched, replaced and deleted', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 20, dimension: 4 })
    await api().add(collection, batch)
    await api().add(collection, batch)
    expect(await api().count(collection)).toBe(20)
    const include = ['embeddings', 'documents', 'metadatas', 'uris'] as const
    expectSameRecords(await api().get(collection, { include }), batch)
    const page = await api().get(collection, { include: [], limit: 3, offset: 5 })
    expect(page.ids).toEqual(batch.ids.slice(5, 8))
    const some = await api().get(collection, { include: ['uris'], ids: ['id00000015', 'gone', 'id00000005'] })
    expect([some.ids, some.uris]).toEqual([
      ['id00000005', 'id00000015'],
      ['file:///5', 'file:///15'],
    ])
    await api().upsert(collection, { ...batch, documents: batch.ids.map(() => 'new') })
    await api().deleteRecords(collection, [...batch.ids.slice(1), 'gone'])
    expect((await api().get(collection, { include: ['documents'] })).documents).toEqual(['new'])
    await api().deleteRecords(collection, [])
    expect(await api().count(collection)).toBe(1)
  })

  test('an answer larger than wanted is refused, and the next request works', async () => {
    const collection = await newCollection(api())
    await api().add(collection, sampleBatch({ rows: 200, dimension: 30 }))
    const request = { include: ['embeddings'] } as const
    await expect(api().getWithSize(collection, request, undefined, 10_000)).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      status: null,
      message: expect.stringContaining('larger than 10000 bytes'),
    })
    const { bytes, batch } = await api().getWithSize(collection, request, undefined, 1_000_000)
    expect([batch.ids.length, bytes > 10_000]).toEqual([200, true])
  })

  test('a query gives the nearest first, with distances and vectors', async () => {
    const collection = await newCollection(api())
    const batch = { ...sampleBatch({ rows: 3, dimension: 2 }), embeddings: Float32Array.of(0, 0, 3, 4, 1, 0) }
    await api().add(collection, batch)
    const vector = Float32Array.of(0, 0)
    const hits = await api().query(collection, { vector, limit: 2, withVectors: true })
    expect(hits).toEqual([
      { id: batch.ids[0], distance: 0, vector: Float32Array.of(0, 0) },
      { id: batch.ids[2], distance: 1, vector: Float32Array.of(1, 0) },
    ])
    const [plain] = await api().query(collection, { vector, limit: 1, withVectors: false })
    expect(plain).toEqual({ id: batch.ids[0], distance: 0, vector: null })
  })
})

describe('what must not be sent twice is read back when its answer is lost', () => {
  const lost: Fault = { kind: 'reset', when: 'after' }
  const never: Fault = { kind: 'reset', when: 'before' }

  test.each([
    ['took effect', lost],
    ['never arrived', never],
  ])('a create that %s', async (_, fault) => {
    const faulty = await apiWithFault(({ method }) => method === 'POST', fault)
    const created = await newCollection(faulty.api)
    expect(faulty.faults()).toBe(1)
    expect(await api().getCollection(created)).toEqual(created)
  })

  test('a create whose answer is lost does not take over a collection with records', async () => {
    const other = await newCollection(api())
    await api().add(other, sampleBatch({ rows: 1, dimension: 2 }))
    const faulty = await apiWithFault(({ method }) => method === 'POST', never)
    await expect(newCollection(faulty.api, { name: other.name })).rejects.toThrow(ChromaConflictError)
  })

  test.each([
    ['took effect', lost],
    ['never arrived', never],
  ])('a rename that %s', async (_, fault) => {
    const collection = await newCollection(api())
    const faulty = await apiWithFault(({ method }) => method === 'PUT', fault)
    const newName = `${collection.name}-renamed`
    await faulty.api.updateCollection(collection, { newName })
    expect(faulty.faults()).toBe(1)
    expect((await api().getCollection({ ...home, name: newName })).id).toBe(collection.id)
  })

  test.each([
    ['took effect', lost],
    ['never arrived', never],
  ])('a delete that %s', async (_, fault) => {
    const collection = await newCollection(api())
    const faulty = await apiWithFault(({ method }) => method === 'DELETE', fault)
    await faulty.api.deleteCollection(collection)
    expect(faulty.faults()).toBe(1)
    expect(await api().findCollection(collection)).toBeUndefined()
  })

  test('a garbled or cut answer to a get is asked for again', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 5, dimension: 3 })
    await api().add(collection, batch)
    const isGet = ({ path }: ProxiedRequest) => path.endsWith('/get')
    for (const fault of [
      { kind: 'garble', part: 'body' },
      { kind: 'cut', bytes: 100, framing: 'close' },
      { kind: 'cut', bytes: 100, framing: 'length' },
      { kind: 'page' },
    ] as const) {
      const faulty = await apiWithFault(isGet, fault)
      const include = ['embeddings', 'documents', 'metadatas', 'uris'] as const
      expectSameRecords(await faulty.api.get(collection, { include }), batch)
      expect(faulty.faults()).toBe(1)
    }
  })
})
