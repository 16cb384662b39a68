import { tmpdir } from 'node:os'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { createLike } from '../../src/chroma/create-like.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { spaceOf } from '../../src/chroma/space.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import { stringifyJson } from '../../src/core/json.js'
import type { RecordBatch, Space } from '../../src/core/records.js'
import { apiForSuite, home, newCollection } from '../helpers/api-for-suite.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { describeOldServer } from '../helpers/old-server.js'
import { expectSameRecords, sampleBatch } from '../helpers/records.js'

describeOldServer('a server without schemas', (binding) => {
  const old = suiteServer(() => startChroma({ binding }))
  const current = suiteServer(() => startChroma())

  test('is recognised', async () => {
    expect(await old().fingerprint()).toMatchObject({
      claimedVersion: '1.0.0',
      atLeast: '1.0',
      capabilities: { schema: false, search: false, byId: false },
    })
  })

  describe.each([
    ['old to new', old, current],
    ['new to old', current, old],
    ['old to old', old, old],
  ])('%s', (way, from, to) => {
    test.each<Space>(['l2', 'cosine', 'ip'])(
      'a collection of space %s keeps it, and its records',
      async (space) => {
        const settings = { space, ef_search: 66, max_neighbors: 9 }
        const original = await newCollection(from(), { hnsw: settings, metadata: new Map([['a', 1]]) })
        const batch = sampleBatch({ rows: 120, dimension: 6 })
        await new ServerCollectionWriter(from(), original).write(batch)

        const name = `${way.replaceAll(' ', '-')}-${space}`
        const { collection, warnings } = await createLike(to(), original, {
          address: { ...home, name },
          marker: null,
        })
        // A schema can do more than a configuration; an old server is told the latter, and that is said.
        expect(warnings.map(({ code }) => code)).toEqual(way === 'new to old' ? ['SCHEMA_LOST'] : [])
        expect(spaceOf(collection)).toBe(space)
        expect(collection.configuration).toEqual(original.configuration)

        const writer = new ServerCollectionWriter(to(), collection)
        const read = await readAll(from(), original.name)
        await writer.write(read)
        expectSameRecords(read, batch, space)
        expectSameRecords(await readAll(to(), name), read, space)
        expect((await to().getCollection({ ...home, name })).metadata).toEqual(new Map([['a', 1]]))
      },
    )
  })

  test('its definition has no schema, and the configuration as it was sent', async () => {
    const { schema, configuration } = await newCollection(old(), { hnsw: { space: 'ip' } })
    expect(schema).toBeNull()
    expect(stringifyJson(configuration)).toContain('"space":"ip"')
  })
})

async function readAll(api: ChromaApi, name: string): Promise<RecordBatch> {
  const source = new ServerSource({ api, scope: { tenants: ['default_tenant'] }, tempDir: tmpdir() })
  const reader = await source.openCollection(await api.getCollection({ ...home, name }))
  const batches: RecordBatch[] = []
  for await (const batch of reader.batches()) batches.push(batch)
  return concatBatches(batches)
}

function suiteServer(start: () => Promise<TestChroma>): () => ChromaApi {
  let server: TestChroma | undefined
  beforeAll(async () => {
    server = await start()
  })
  afterAll(async () => {
    await server?.stop()
  })
  return apiForSuite(() => {
    if (server === undefined) throw new Error('the server is there only inside tests and hooks')
    return server
  })
}
