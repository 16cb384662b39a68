import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import { spaceOf } from '../../src/chroma/space.js'
import { silentProgress } from '../../src/core/progress.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { planRebuild, rebuildIndex } from '../../src/transfer/rebuild-index.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { startChroma, testCacheDir } from '../helpers/chroma-server.js'
import { indexFolder } from '../helpers/lose-vectors.js'
import { withApi } from '../helpers/restores.js'

let folder: string
let made: string

/** Collections with saved vectors, deleted and changed ones, and a tail in the log. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-rebuild-'))
  made = path.join(folder, 'made')
  const chroma = await startChroma({ directory: made })
  await withApi(chroma.url, async (api) => {
    for (const [name, space] of [
      ['docs', 'l2'],
      ['cosine', 'cosine'],
    ] as const) {
      const collection = await newCollection(api, { name, hnsw: { space, sync_threshold: 100 } })
      for (let first = 0; first < 450; first += 50) await api.add(collection, records(first, 50))
      await api.deleteRecords(collection, ['id7', 'id420'])
      await api.upsert(collection, records(10, 3, 1_000))
    }
    await api.add(await newCollection(api, { name: 'one' }), records(0, 1))
  })
  await chroma.kill()
  await chroma.stop()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function records(first: number, count: number, shift = 0): RecordBatch {
  const numbers = Array.from({ length: count }, (_, index) => first + index)
  return {
    ids: numbers.map((number) => `id${number}`),
    dimension: 3,
    embeddings: Float32Array.from(numbers.flatMap((number) => [number + shift, 1, number % 7])),
    missingEmbeddings: [],
    documents: numbers.map((number) => `document ${number}`),
    uris: numbers.map(() => null),
    metadatas: numbers.map(() => null),
  }
}

async function copyOf(name: string): Promise<string> {
  const directory = path.join(folder, name)
  await cp(made, directory, { recursive: true })
  return directory
}

async function definitionIn(directory: string, name: string): Promise<CollectionDefinition> {
  const data = await openDataDirectory(directory)
  const found = data.collections().find((each) => each.name === name)
  data.close()
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

async function job(directory: string, name: string, overrides = {}) {
  return {
    directory,
    collection: await definitionIn(directory, name),
    changes: {},
    allowPartial: false,
    progress: silentProgress,
    tempDir: folder,
    cacheDir: testCacheDir,
    serverStopped: true,
    ...overrides,
  }
}

async function withServer<T>(directory: string, work: (api: ChromaApi) => Promise<T>): Promise<T> {
  const chroma = await startChroma({ directory })
  try {
    return await withApi(chroma.url, work)
  } finally {
    await chroma.kill()
    await chroma.halt()
  }
}

async function everything(directory: string, name: string) {
  return withServer(directory, async (api) => {
    const collection = await api.getCollection({
      tenant: 'default_tenant',
      database: 'default_database',
      name,
    })
    const batch = await api.get(collection, { include: ['embeddings', 'documents'] })
    const vector = new Float32Array([30, 1, 2])
    const hits = await api.query(collection, { vector, limit: 3, withVectors: false })
    return { collection, batch, hits: hits.map(({ id }) => id) }
  })
}

describe('rebuilding an index', () => {
  test('a plan reads and changes nothing', async () => {
    const directory = await copyOf('plan')
    const before = await readFile(path.join(directory, 'chroma.sqlite3'))
    const plan = await planRebuild(await job(directory, 'docs', { changes: { maxNeighbours: 32 } }))
    expect(plan).toMatchObject({
      records: 448,
      withoutVector: 0,
      before: { space: 'l2', efConstruction: 100, maxNeighbours: 16 },
      after: { space: 'l2', maxNeighbours: 32 },
    })
    expect((await readFile(path.join(directory, 'chroma.sqlite3'))).equals(before)).toBe(true)
  })

  test('a bloated link_lists.bin is gone, and all else is as it was', async () => {
    const directory = await copyOf('bloated')
    const expected = await everything(await copyOf('expected'), 'docs')
    const old = await indexFolder(directory, expected.collection.id)
    await truncate(path.join(old, 'link_lists.bin'), 3 * 2 ** 30)
    const rebuilt = await rebuildIndex(await job(directory, 'docs'))
    expect(rebuilt).toMatchObject({ records: 448, oldIndex: old })
    expect((await stat(path.join(rebuilt.newIndex, 'link_lists.bin'))).size).toBeLessThan(100_000)
    expect(await readdir(path.join(directory, '.chroma-ops', 'staging'))).toEqual([])
    await rm(old, { recursive: true })
    const found = await everything(directory, 'docs')
    expect(found.collection.id).toBe(expected.collection.id)
    expect(found.batch).toEqual(expected.batch)
    expect(found.hits).toEqual(expected.hits)
  })

  test('writes that follow are kept, over the next saves too', async () => {
    const directory = await copyOf('later')
    await rebuildIndex(await job(directory, 'docs'))
    await withServer(directory, async (api) => {
      const { id, ...name } = await definitionIn(directory, 'docs')
      const collection = await api.getCollection({
        tenant: name.tenant,
        database: name.database,
        name: 'docs',
      })
      expect(collection.id).toBe(id)
      await api.deleteRecords(collection, ['id0', 'id449'])
      await api.upsert(collection, records(20, 2, 500))
      await api.add(collection, records(2_000, 1))
      await api.add(collection, records(2_001, 300))
    })
    const { batch } = await everything(directory, 'docs')
    expect([batch.ids.length, batch.missingEmbeddings]).toEqual([447 + 300, []])
    const row = batch.ids.indexOf('id20')
    expect([...batch.embeddings.slice(row * 3, row * 3 + 3)]).toEqual([520, 1, 6])
    expect(batch.ids).toContain('id2000')
  })

  test('another space: the collection says so and measures so', async () => {
    const directory = await copyOf('space')
    const plan = await planRebuild(await job(directory, 'cosine', { changes: { space: 'l2' } }))
    expect(plan.warnings.join()).toContain('already normalised')
    const changes = { space: 'l2', efConstruction: 200, maxNeighbours: 24 }
    await rebuildIndex(await job(directory, 'cosine', { changes }))
    const { collection, batch, hits } = await everything(directory, 'cosine')
    expect(spaceOf(collection)).toBe('l2')
    expect(hits[0]).toBe('id30')
    expect(batch.missingEmbeddings).toEqual([])
    const row = batch.ids.indexOf('id30')
    const [x = 0, y = 0, z = 0] = batch.embeddings.slice(row * 3, row * 3 + 3)
    expect([Math.abs(x - 30) < 1e-4, Math.abs(y - 1) < 1e-5, Math.abs(z - 2) < 1e-5]).toEqual([
      true,
      true,
      true,
    ])
    expect(await planRebuild(await job(directory, 'cosine'))).toMatchObject({ before: changes })
  })

  test('one record is enough', async () => {
    const directory = await copyOf('one-record')
    await rebuildIndex(await job(directory, 'one'))
    const { batch } = await everything(directory, 'one')
    expect([batch.ids, batch.missingEmbeddings]).toEqual([['id0'], []])
  })

  test('lost vectors are not hidden: refused, unless it is told to go on', async () => {
    const directory = await copyOf('lost')
    const data = path.join(await indexFolder(directory, (await definitionIn(directory, 'docs')).id))
    await rm(path.join(data, 'index_metadata.pickle'))
    await expect(rebuildIndex(await job(directory, 'docs'))).rejects.toMatchObject({
      code: 'VECTORS_LOST',
      exitCode: 15,
    })
    const { withoutVector } = await rebuildIndex(await job(directory, 'docs', { allowPartial: true }))
    expect(withoutVector).toBeGreaterThan(300)
  })

  test('killed before the switch, the old index is in use; what it left belongs to nobody', async () => {
    const directory = await copyOf('killed')
    const definition = await definitionIn(directory, 'docs')
    const old = await indexFolder(directory, definition.id)
    const before = await everything(await copyOf('before'), 'docs')
    const staged = path.join(directory, '00000000-1111-4222-8333-444444444444')
    await cp(old, staged, { recursive: true })
    await writeFile(path.join(staged, 'header.bin'), 'half')
    const { batch } = await everything(directory, 'docs')
    expect(batch).toEqual(before.batch)
  })

  test('a directory in use is left alone', async () => {
    const directory = await copyOf('held')
    const rebuild = await job(directory, 'docs')
    await withServer(directory, async () => {
      await expect(rebuildIndex(rebuild)).rejects.toMatchObject({ code: 'DIRECTORY_HELD' })
    })
  })
})
