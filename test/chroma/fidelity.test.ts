import { describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { ChromaInvalidRequestError, ChromaNotSupportedError } from '../../src/chroma/errors.js'
import { serverLookup } from '../../src/chroma/server-lookup.js'
import type { Metadata, MetadataValue } from '../../src/core/metadata.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { closeDoubles } from '../../src/transfer/ulp.js'
import { apiForSuite, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { batchOf, type PlainRecord } from '../helpers/memory-source.js'
import { bitsOf, sampleBatch } from '../helpers/records.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

/** One record, written and read back. */
async function throughServer(record: Partial<PlainRecord>, hnsw?: object) {
  const collection = await newCollection(api(), hnsw === undefined ? {} : { hnsw })
  await api().add(collection, batchOf([{ id: 'a', embedding: [1, 2, 3], ...record }]))
  const batch = await fetchOne(api(), collection)
  return {
    embedding: batch.embeddings,
    document: batch.documents[0],
    uri: batch.uris[0],
    metadata: batch.metadatas[0] ?? null,
  }
}

const fetchOne = (client: ChromaApi, collection: CollectionDefinition) =>
  serverLookup(client, { ...collection, dimension: 3 }).fetch(['a'])

const metadataThroughServer = async (...entries: readonly (readonly [string, MetadataValue])[]) =>
  (await throughServer({ metadata: new Map(entries) })).metadata

describe('numbers in metadata', () => {
  test('integers to 64 bits', async () => {
    const entries = [
      ['above 2^53', 2n ** 53n + 1n],
      ['max', 2n ** 63n - 1n],
      ['min', -(2n ** 63n)],
      ['zero', 0n],
    ] as const
    expect(await metadataThroughServer(...entries)).toEqual(new Map(entries))
  })

  test('1 and 1.0 are kept apart', async () => {
    const entries = [
      ['integer', 1n],
      ['double', 1],
      ['large double', 1e22],
      ['list of integers', [1n, 2n]],
      ['list of doubles', [1, 2.5]],
    ] as const
    expect(await metadataThroughServer(...entries)).toEqual(new Map<string, MetadataValue>(entries))
  })

  test('an integer beyond 64 bits is a double on the server', async () => {
    expect(await metadataThroughServer(['big', 2n ** 64n - 1n])).toEqual(new Map([['big', 2 ** 64]]))
  })

  test('doubles are shifted by at most 4 units of the last place', async () => {
    const values = Array.from({ length: 300 }, (_, index) => Math.sin(index) * 10 ** ((index % 60) - 30))
    const metadata = await metadataThroughServer(
      ...values.map((value, index) => [`k${index}`, value] as const),
    )
    const shifted = values.filter((value, index) => {
      const back = metadata?.get(`k${index}`)
      expect(typeof back === 'number' && closeDoubles(back, value)).toBe(true)
      return back !== value
    })
    // The reason for the tolerance. When this fails, the server has become exact.
    expect(shifted.length).toBeGreaterThan(0)
  })

  test('-0.0 loses its sign', async () => {
    expect(await metadataThroughServer(['zero', -0])).toEqual(new Map([['zero', 0]]))
  })
})

describe('other metadata', () => {
  test('booleans, text, and lists of one type', async () => {
    const entries = [
      ['yes', true],
      ['no', false],
      ['empty', ''],
      ['texts', ['b', 'a', '']],
      ['flags', [true, false]],
      ['__proto__', 'x'],
      ['7', 'seven'],
    ] as const
    expect(await metadataThroughServer(...entries)).toEqual(new Map<string, MetadataValue>(entries))
  })

  test('an empty list vanishes', async () => {
    expect(await metadataThroughServer(['list', []], ['k', 1n])).toEqual(new Map([['k', 1n]]))
  })

  test('a list of integers and doubles becomes one of doubles', async () => {
    expect(await metadataThroughServer(['mixed', [1n, 2.5]])).toEqual(new Map([['mixed', [1, 2.5]]]))
  })

  test.each<[string, Metadata | null]>([
    ['null', null],
    ['an empty object', new Map()],
  ])('%s is none', async (_, metadata) => {
    expect((await throughServer({ metadata })).metadata).toBeNull()
  })

  test('a key that begins with chroma: is hidden, and chroma:document is the document', async () => {
    const metadata = new Map([
      ['chroma:other', 'hidden'],
      ['mine', 'x'],
    ])
    expect((await throughServer({ metadata })).metadata).toEqual(new Map([['mine', 'x']]))
    const { document } = await throughServer({ metadata: new Map([['chroma:document', 'sneaked in']]) })
    expect(document).toBe('sneaked in')
  })

  test.each(['', '#type', '$in'])('the key %j is refused', async (key) => {
    await expect(metadataThroughServer([key, 1n])).rejects.toThrow(ChromaInvalidRequestError)
  })

  test('a sparse vector is refused by a single node', async () => {
    const sparse = { indices: [1], values: [0.5], tokens: null }
    await expect(metadataThroughServer(['s', sparse])).rejects.toThrow(ChromaNotSupportedError)
  })
})

describe('documents and uris', () => {
  test.each([
    { document: null, uri: null },
    { document: '', uri: '' },
    { document: null, uri: 'u' },
    { document: 'd', uri: null },
    { document: 'line\nline\r\n\ttab "quote" \\ 漢字 👩‍👩‍👧 \u2028', uri: 'file:///ä b' },
    { document: 'before\0after', uri: null },
  ])('%j come back as they are', async (texts) => {
    expect(await throughServer(texts)).toMatchObject(texts)
  })

  test('U+0000 in documents leaves the search in other documents whole', async () => {
    const collection = await newCollection(api())
    const documents = Array.from(
      { length: 40 },
      (_, index) => `abc${index % 2 === 0 ? '\0' : ' '}def ${index}`,
    )
    const batch = { ...sampleBatch({ rows: 40, dimension: 2 }), documents }
    await api().add(collection, batch)
    await api().deleteRecords(collection, batch.ids.slice(0, 10))
    await api().upsert(collection, {
      ...batch,
      documents: documents.map((text) => text.replace('abc', 'xyz')),
    })
    const { documents: after } = await api().get(collection, { include: ['documents'] })
    expect([...after].sort()).toEqual(documents.map((text) => text.replace('abc', 'xyz')).sort())
  })
})

describe('vectors', () => {
  const traps = Float32Array.of(0.1, -0, 1.401298464324817e-45, -1.1754942106924411e-38, 16777215, 1 / 3)

  test.each(['l2', 'ip'])('come back bit by bit in %s', async (space) => {
    const { embedding } = await throughServer({ embedding: [...traps] }, { space })
    expect(bitsOf(embedding)).toEqual(bitsOf(traps))
  })

  test('the largest float32 comes back bit by bit', async () => {
    const largest = 3.4028234663852886e38
    const { embedding } = await throughServer({ embedding: [largest, -largest] })
    expect(bitsOf(embedding)).toEqual(bitsOf(Float32Array.of(largest, -largest)))
  })

  test('in cosine some come back up to 4 units of the last place off', async () => {
    const collection = await newCollection(api(), { hnsw: { space: 'cosine' } })
    const batch = sampleBatch({ rows: 100, dimension: 12 })
    await api().add(collection, batch)
    const { embeddings } = await api().get(collection, { include: ['embeddings'] })
    const off = bitsOf(embeddings).map((bits, at) => Math.abs(bits - (bitsOf(batch.embeddings)[at] ?? 0)))
    expect(Math.max(...off)).toBeLessThanOrEqual(4)
    expect(Math.max(...off)).toBeGreaterThan(0)
  })

  test.each([NaN, Infinity])('%d is refused', async (value) => {
    await expect(throughServer({ embedding: [1, value] })).rejects.toThrow(ChromaInvalidRequestError)
  })

  test('a vector of another dimension is refused', async () => {
    const collection = await newCollection(api())
    await api().add(collection, sampleBatch({ rows: 1, dimension: 2 }))
    await expect(api().add(collection, sampleBatch({ rows: 1, dimension: 3 }))).rejects.toThrow(
      ChromaInvalidRequestError,
    )
  })
})

describe('writing again', () => {
  const first = batchOf([{ id: 'a', embedding: [1, 2, 3], document: 'one', metadata: new Map([['k', 1n]]) }])
  const second = batchOf([{ id: 'a', embedding: [4, 5, 6], document: null, metadata: new Map([['l', 2n]]) }])

  test('add leaves an existing record as it is', async () => {
    const collection = await newCollection(api())
    await api().add(collection, first)
    await api().add(collection, second)
    expect(await fetchOne(api(), collection)).toEqual(first)
  })

  test('upsert merges metadata and keeps a document, so it cannot make a record equal', async () => {
    const collection = await newCollection(api())
    await api().add(collection, first)
    await api().upsert(collection, second)
    const merged = await fetchOne(api(), collection)
    expect(merged.documents).toEqual(['one'])
    expect([...(merged.metadatas[0]?.keys() ?? [])].sort()).toEqual(['k', 'l'])
  })

  test('an update keeps the place of a record, deleting and adding moves it to the end', async () => {
    const collection = await newCollection(api())
    const batch = sampleBatch({ rows: 3, dimension: 2 })
    const [a, b, c] = batch.ids
    await api().add(collection, batch)
    await api().upsert(collection, sampleBatch({ rows: 1, dimension: 2 }))
    expect((await api().get(collection, { include: [] })).ids).toEqual([a, b, c])
    await api().deleteRecords(collection, ['id00000000'])
    await api().add(collection, sampleBatch({ rows: 1, dimension: 2 }))
    expect((await api().get(collection, { include: [] })).ids).toEqual([b, c, a])
  })
})

describe('ids', () => {
  test.each(['x'.repeat(32 * 1024), '👍', ' ', '\0', '"', '../..', 'a\nb', '%2F'])('%j', async (id) => {
    const collection = await newCollection(api())
    await api().add(collection, batchOf([{ id, embedding: [1] }]))
    const ids: string[] = []
    for await (const piece of api().listIds(collection, {})) ids.push(...piece)
    expect(ids).toEqual([id])
    expect((await api().get(collection, { ids: [id], include: [] })).ids).toEqual([id])
  })

  test('the empty id is refused', async () => {
    const collection = await newCollection(api())
    const record = batchOf([{ id: '', embedding: [1] }])
    await expect(api().add(collection, record)).rejects.toThrow(ChromaInvalidRequestError)
  })
})

describe('definitions', () => {
  test('numbers in the metadata of a collection keep their type', async () => {
    const metadata = new Map<string, bigint | number>([
      ['integer', 2n ** 53n + 1n],
      ['double', 1],
    ])
    const created = await newCollection(api(), { metadata })
    expect((await api().getCollection(created)).metadata).toEqual(metadata)
  })

  test('a list in the metadata of a collection ends the connection', async () => {
    const metadata = new Map([['list', ['a']]])
    await expect(newCollection(api(), { metadata })).rejects.toMatchObject({ exitCode: 12 })
  })

  test('the server gives each collection an id of its own', async () => {
    const [one, other] = [await newCollection(api()), await newCollection(api())]
    expect(one.id).not.toBe(other.id)
  })
})
