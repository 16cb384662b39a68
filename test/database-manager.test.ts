import { afterEach, describe, expect, test } from '@jest/globals'

import { DatabaseManager } from '../src/database-manager.js'
import type { ManagedDatabase } from '../src/managed-database.js'
import { chromaForSuite } from './helpers/chroma-server.js'

const chroma = chromaForSuite()
let manager = new DatabaseManager()

afterEach(async () => {
  await manager.closeAll()
  manager = new DatabaseManager()
})

async function open(): Promise<ManagedDatabase> {
  return manager.open('main', { url: chroma().url })
}

describe('records of an application', () => {
  test('are kept with their types, found by vector, replaced and deleted', async () => {
    const collection = await (
      await open()
    ).collection('records', { space: 'ip', metadata: { owner: 'tests' } })
    await collection.upsert([
      {
        id: 'a',
        embedding: [1, 0],
        document: 'one',
        metadata: { page: 1, score: 0.5, tags: ['x', 'y'], ok: true },
      },
      { id: 'b', embedding: Float32Array.of(0, 1), document: '', metadata: { big: 2n ** 60n } },
      { id: 'c', embedding: [0, 0.25], uri: 'file:///c' },
    ])
    expect(await collection.count()).toBe(3)
    expect(await collection.get(['a', 'b', 'none'])).toEqual([
      {
        id: 'a',
        embedding: Float32Array.of(1, 0),
        document: 'one',
        uri: null,
        metadata: { page: 1, score: 0.5, tags: ['x', 'y'], ok: true },
      },
      {
        id: 'b',
        embedding: Float32Array.of(0, 1),
        document: '',
        uri: null,
        metadata: { big: '1152921504606846976' },
      },
    ])
    expect(await collection.query([0, 1], 2)).toMatchObject([
      { id: 'b', distance: 0, document: '' },
      { id: 'c', distance: 0.75, uri: 'file:///c' },
    ])
    await collection.upsert([{ id: 'a', embedding: [2, 0], document: 'two' }])
    await collection.delete(['b', 'none'])
    expect(await collection.get(['a', 'b'])).toMatchObject([{ id: 'a', document: 'two' }])
  })

  test('more than fit into one request are written whole', async () => {
    const collection = await (await open()).collection('many')
    const records = Array.from({ length: 2_500 }, (_, index) => ({ id: `r${index}`, embedding: [index, 1] }))
    await collection.upsert(records)
    expect(await collection.count()).toBe(2_500)
    expect((await collection.query([2_499, 1], 1))[0]?.id).toBe('r2499')
  })

  test.each([
    [
      'vectors of different length',
      [
        { id: 'a', embedding: [1] },
        { id: 'b', embedding: [1, 2] },
      ],
      /"b" has 2 numbers/,
    ],
  ])('%s are refused before anything is sent', async (_, records, message) => {
    const collection = await (await open()).collection('refused')
    await expect(collection.upsert(records)).rejects.toThrow(message)
    expect(await collection.count()).toBe(0)
  })
})

describe('a collection', () => {
  test('is made once, however many ask for it at the same time', async () => {
    const database = await open()
    const collections = await Promise.all(
      [1, 2, 3, 4].map(() => database.collection('shared', { space: 'cosine' })),
    )
    expect(new Set(collections.map(({ definition }) => definition.id)).size).toBe(1)
    expect(await database.collectionNames()).toContain('shared')
  })

  test('that measures otherwise than expected is refused', async () => {
    const database = await open()
    await database.collection('measured', { space: 'cosine' })
    expect((await database.collection('measured')).definition.name).toBe('measured')
    await expect(database.collection('measured', { space: 'l2' })).rejects.toMatchObject({
      code: 'SPACE_DIFFERS',
      message: 'collection measured measures cosine, not l2',
    })
  })
})

describe('databases', () => {
  test('are opened once under their name', async () => {
    const [first, second] = await Promise.all([open(), open()])
    expect(first).toBe(second)
    await expect(manager.open('main', { url: chroma().url, database: 'other' })).rejects.toMatchObject({
      code: 'USAGE',
    })
  })

  test('that are not there are told, and may be tried again', async () => {
    const missing = { url: chroma().url, database: 'missing' }
    await expect(manager.open('other', missing)).rejects.toMatchObject({ code: 'DATABASE_NOT_FOUND' })
    expect((await manager.open('other', { url: chroma().url })).url).toBe(chroma().url)
  })

  test('tell their health through the pool that is in use', async () => {
    const database = await open()
    await (await database.collection('healthy')).upsert([{ id: 'a', embedding: [1] }])
    const reports = await manager.health()
    expect(reports.get('main')).toMatchObject({
      status: 'ok',
      databases: ['default_tenant/default_database'],
    })
    expect(reports.get('main')?.pool?.created).toBe(database.stats.pool.created)
  })

  test('survive a restart of the server', async () => {
    const collection = await (await open()).collection('survivor')
    await collection.upsert([{ id: 'a', embedding: [1] }])
    await chroma().restart()
    expect(await collection.count()).toBe(1)
  })
})

describe('closing', () => {
  test('one leaves the others open', async () => {
    const [main, other] = await Promise.all([open(), manager.open('other', { url: chroma().url })])
    await manager.close('main')
    await manager.close('main')
    await expect(main.collectionNames()).rejects.toThrow()
    expect(await other.collectionNames()).toEqual(expect.any(Array))
    expect(await (await open()).collectionNames()).toEqual(expect.any(Array))
  })

  test('all happens through the hook of the application, and nothing is opened afterwards', async () => {
    let closeAll = async (): Promise<void> => {}
    const hooked = new DatabaseManager({
      onExit: (cleanUp) => {
        closeAll = cleanUp
      },
    })
    const database = await hooked.open('main', { url: chroma().url })
    await closeAll()
    await closeAll()
    await expect(database.collectionNames()).rejects.toThrow()
    await expect(hooked.open('main', { url: chroma().url })).rejects.toThrow('the manager is closed')
  })
})
