import { afterAll, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { spaceOf } from '../../src/chroma/space.js'
import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { DirectorySource } from '../../src/datadir/directory-source.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { randomHistory } from '../helpers/random-history.js'
import { contentsOf, type SourceContents } from '../helpers/read-source.js'
import { describeRecordSource } from '../helpers/record-source-conformance.js'
import { expectSameRecords } from '../helpers/records.js'
import { seedServer } from '../helpers/server-seeds.js'

const TENANTS = ['default_tenant', 'other_tenant']
const started: TestChroma[] = []
afterAll(async () => {
  for (const chroma of started) await chroma.stop()
})

async function newChroma(): Promise<TestChroma> {
  const chroma = await startChroma()
  started.push(chroma)
  return chroma
}

async function withApi<T>({ url }: TestChroma, work: (api: ChromaApi) => Promise<T>): Promise<T> {
  const api = new ChromaApi(await connectTransport({ url }))
  try {
    return await work(api)
  } finally {
    await api.transport.close()
  }
}

const fromServer = (chroma: TestChroma, tenants = TENANTS) =>
  withApi(chroma, (api) =>
    contentsOf(new ServerSource({ api, scope: { tenants }, tempDir: chroma.directory })),
  )

async function fromDirectory({ directory }: TestChroma): Promise<ReadonlyMap<string, SourceContents>> {
  const opened = await openDataDirectory(directory)
  try {
    return await contentsOf(new DirectorySource(opened, { batchBytes: 20_000 }))
  } finally {
    opened.close()
  }
}

function expectSameContents(
  actual: ReadonlyMap<string, SourceContents>,
  expected: ReadonlyMap<string, SourceContents>,
): void {
  expect([...actual.keys()]).toEqual([...expected.keys()])
  for (const [name, { definition, records }] of expected) {
    const found = actual.get(name)
    if (found === undefined) throw new Error(`${name} is not there`)
    expect(found.definition).toEqual(definition)
    expect(found.expectedRecords).toBe(records.ids.length)
    expectSameRecords(found.records, records, spaceOf(definition))
    // Not even doubles in metadata differ: nobody parses them again.
    expect(found.records.metadatas).toEqual(records.metadatas)
    expect(found.consistency).toEqual({ added: 0, removed: 0, missing: 0 })
  }
}

describeRecordSource('DirectorySource', async (seeds) => {
  const chroma = await newChroma()
  await withApi(chroma, (api) => seedServer(api, seeds))
  await chroma.halt()
  const opened = await openDataDirectory(chroma.directory)
  // Small batches, so that there are several.
  return {
    source: new DirectorySource(opened, { batchBytes: 20_000 }),
    dispose: async () => opened.close(),
  }
})

test('a directory that is written to while it is read is told', async () => {
  const chroma = await newChroma()
  await randomHistory(chroma.url, { name: 'changes', space: 'l2', syncThreshold: 7, seed: 5, writes: 3 })
  const opened = await openDataDirectory(chroma.directory)
  const source = new DirectorySource(opened, { batchBytes: 300 })
  const read = async () => {
    for (const definition of await source.listCollections()) {
      for await (const { ids } of (await source.openCollection(definition)).batches()) {
        expect(ids.length).toBeGreaterThan(0)
        await randomHistory(chroma.url, {
          name: `more-${ids[0]}`,
          space: 'l2',
          syncThreshold: 7,
          seed: 6,
          writes: 0,
        })
      }
    }
  }
  await expect(read()).rejects.toMatchObject({ code: 'DIRECTORY_CHANGED', exitCode: 11 })
  opened.close()
})

describe('the same as from a server', () => {
  const shapes = (['l2', 'cosine', 'ip'] as const).flatMap((space) =>
    [7, 100, 5000].map((syncThreshold) => ({ name: `${space}-${syncThreshold}`, space, syncThreshold })),
  )

  test('after any history of writes, in every space, before and after the index was saved', async () => {
    const chroma = await newChroma()
    for (const [seed, shape] of shapes.entries())
      await randomHistory(chroma.url, { ...shape, seed, writes: 25 })
    const expected = await fromServer(chroma, ['default_tenant'])
    await chroma.halt()
    expectSameContents(await fromDirectory(chroma), expected)
  })

  test('what was logged, but not applied, is applied', async () => {
    const chroma = await newChroma()
    for (const [seed, shape] of shapes.entries())
      await randomHistory(chroma.url, { ...shape, seed, writes: 6 })
    const ids = await collectionIds(chroma)
    await chroma.halt()
    await logWrites(chroma.directory, ids)
    const found = await fromDirectory(chroma)
    await chroma.restart()
    expectSameContents(found, await fromServer(chroma, ['default_tenant']))
  })
})

async function collectionIds(chroma: TestChroma): Promise<readonly string[]> {
  return [...(await fromServer(chroma, ['default_tenant'])).values()].map(({ definition }) => definition.id)
}

/** As if the server had been killed right after it had accepted some requests. */
async function logWrites(directory: string, collections: readonly string[]): Promise<void> {
  const database = await openDatabase(`${directory}/chroma.sqlite3`, { mode: 'write' })
  const log = (
    collection: string,
    operation: bigint,
    id: string,
    floats: number[] | null,
    metadata: string | null,
  ) =>
    database.run(
      `INSERT INTO embeddings_queue (operation, topic, id, vector, encoding, metadata) VALUES (?, ?, ?, ?, ?, ?)`,
      operation,
      `persistent://default/default/${collection}`,
      id,
      floats && new Uint8Array(Float32Array.from(floats).buffer),
      floats && 'FLOAT32',
      metadata,
    )
  for (const collection of collections) {
    log(collection, 0n, 'new', [1, 2, 3], '{"chroma:document":"text","a":1,"b":1.0,"list":[1,2]}')
    log(collection, 0n, 'new', [9, 9, 9], '{"chroma:document":"ignored"}')
    log(collection, 1n, 'new', null, '{"a":null,"c":true,"chroma:uri":"file:///new"}')
    log(collection, 2n, 'r1', [4, 5, 6], '{"chroma:document":"changed","added":"x"}')
    log(collection, 2n, 'upserted', [7, 8, 9], null)
    log(collection, 3n, 'r2', null, null)
    log(collection, 0n, 'r2', [0.5, 0.25, 0.125], '{"again":true}')
    log(collection, 3n, 'r3', null, null)
    log(collection, 1n, 'r3', [1, 1, 1], '{"never":1}')
    log(collection, 1n, 'r4', [3, 2, 1], null)
    log(collection, 3n, 'nobody', null, null)
    log(collection, 0n, 'gone', [1, 1, 1], null)
    log(collection, 3n, 'gone', null, null)
  }
  database.close()
}
