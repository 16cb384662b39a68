import { afterEach, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import type { Metadata } from '../../src/core/metadata.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { copyCollections } from '../../src/transfer/copy-collections.js'
import { apiThroughProxy } from '../helpers/api-for-suite.js'
import { numberedBatch } from '../helpers/backups.js'
import { seedCollection, twoServersForSuite } from '../helpers/copies.js'
import type { Fault, ProxiedRequest } from '../helpers/fault-proxy.js'
import { batchOf } from '../helpers/memory-source.js'
import { collectionsOf } from '../helpers/restores.js'
import { expectSameContents } from '../helpers/server-contents.js'

const { chromas, from, to, jobOf, copy, database, contents } = twoServersForSuite()
const cleanup: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const undo of cleanup.splice(0)) await undo()
})

async function through(
  side: 0 | 1,
  decide: (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>,
): Promise<ChromaApi> {
  const proxied = await apiThroughProxy(chromas[side]().url, decide)
  cleanup.push(() => proxied.close())
  return proxied.api
}

async function docs(rows = 120): Promise<{ name: string; source: CollectionDefinition }> {
  const name = await database()
  return { name, source: await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(rows)) }
}

/** Whether this is a request for records, not for a list of ids. */
function asksForRecords({ path, body }: ProxiedRequest): boolean {
  return path.endsWith('/get') && body.includes('"ids":')
}

function sortedRecords(contents: ReadonlyMap<string, readonly string[]>) {
  return new Map([...contents].map(([name, [, ...lines]]) => [name, lines.sort()]))
}

/** Changes, adds and removes a record each. */
async function touch(api: ChromaApi, source: CollectionDefinition, number: number): Promise<void> {
  const changed = numberedBatch(120).ids[100 - number] ?? ''
  await api.upsert(
    source,
    batchOf([{ id: changed, embedding: [number, 9, 9], document: `changed ${number}` }]),
  )
  await api.deleteRecords(source, [`r${number + 10}`])
  await api.add(source, batchOf([{ id: `late${number}`, embedding: [1, 2, number] }]))
}

describe('a source that is written to', () => {
  test('once, behind the back of the copy: the next pass brings it over, and proves it', async () => {
    const { name, source } = await docs()
    let touched = false
    const api = await through(0, async (request) => {
      if (touched || !asksForRecords(request)) return undefined
      touched = true
      await touch(from(), source, 1)
      return undefined
    })
    const summary = await copyCollections({ ...jobOf(name), from: api })
    expect(touched).toBe(true)
    expect(summary).toMatchObject({
      equal: true,
      exitCode: 0,
      collections: [{ consistency: { kind: 'quiesced' } }],
    })
    expect(summary.collections[0]?.passes).toBeGreaterThan(1)
    const { source: left, target } = await contents(name)
    expectSameContents(sortedRecords(target), sortedRecords(left))
  })

  test('all the time: it ends after some passes, and says what it is', async () => {
    const { name, source } = await docs()
    let number = 0
    const api = await through(0, async (request) => {
      if (asksForRecords(request)) await touch(from(), source, ++number)
      return undefined
    })
    const summary = await copyCollections({ ...jobOf(name, { maxPasses: 3 }), from: api })
    expect(summary).toMatchObject({
      equal: false,
      exitCode: 3,
      collections: [{ passes: 3, consistency: { kind: 'fuzzy' } }],
    })
    expect(summary.collections[0]?.consistency?.changed).toBeGreaterThan(0)
    expect(await copy(name, { mode: 'overwrite' })).toMatchObject({ equal: true, exitCode: 0 })
  })
})

describe('what an existing record becomes', () => {
  const map = (
    entries: readonly (readonly [string, Metadata extends ReadonlyMap<string, infer V> ? V : never])[],
  ) => new Map(entries)
  const before = batchOf([
    { id: 'same', embedding: [1, 2, 3], document: 'd', metadata: map([['k', 1n]]) },
    { id: 'document gone', embedding: [1, 2, 3], document: 'd', metadata: map([['k', 1n]]) },
    { id: 'uri gone', embedding: [1, 2, 3], uri: 'https://example.com/' },
    {
      id: 'metadata gone',
      embedding: [1, 2, 3],
      document: 'd',
      metadata: map([
        ['k', 1n],
        ['l', ['a', 'b']],
      ]),
    },
    {
      id: 'key gone',
      embedding: [1, 2, 3],
      metadata: map([
        ['k', 1n],
        ['keep', 'x'],
      ]),
    },
    {
      id: 'other type',
      embedding: [1, 2, 3],
      metadata: map([
        ['k', 1n],
        ['b', true],
        ['l', [1n, 2n]],
      ]),
    },
    { id: 'vector', embedding: [1, 2, 3], document: 'd' },
    { id: 'empty document', embedding: [1, 2, 3], document: 'text' },
    { id: 'last', embedding: [0, 0, 1] },
  ])
  const after: RecordBatch = batchOf([
    { id: 'same', embedding: [1, 2, 3], document: 'd', metadata: map([['k', 1n]]) },
    { id: 'document gone', embedding: [1, 2, 3], metadata: map([['k', 1n]]) },
    { id: 'uri gone', embedding: [1, 2, 3] },
    { id: 'metadata gone', embedding: [1, 2, 3], document: 'd' },
    { id: 'key gone', embedding: [1, 2, 3], metadata: map([['keep', 'x']]) },
    {
      id: 'other type',
      embedding: [1, 2, 3],
      metadata: map([
        ['k', 1],
        ['b', 'true'],
        ['l', 'one'],
      ]),
    },
    { id: 'vector', embedding: [1, 2, 4], document: 'd' },
    { id: 'empty document', embedding: [1, 2, 3], document: '' },
    { id: 'last', embedding: [0, 0, 1], metadata: map([['list', ['a']]]) },
  ])

  test('is what the source has, whatever Chroma would merge', async () => {
    const name = await database()
    await seedCollection(from(), { database: name, name: 'docs' }, before)
    await copy(name)
    const old = (await collectionsOf(from(), name)).get('docs')
    if (old === undefined) throw new Error('no source')
    await from().deleteCollection(old)
    await seedCollection(from(), { database: name, name: 'docs' }, after)
    expect(await copy(name, { mode: 'overwrite' })).toMatchObject({ changed: 8, written: 8, equal: true })
    const { source, target } = await contents(name)
    const order = (target.get('docs') ?? []).slice(1).map((line) => /^\["([^"]*)"/.exec(line)?.[1])
    // Chroma cannot take away a document or a URI; all others have stayed in their places.
    expect(order.slice(-2)).toEqual(['document gone', 'uri gone'])
    expectSameContents(sortedRecords(target), sortedRecords(source))
  })
})

describe('a target that does not keep what is written', () => {
  test('is told, and the collection does not get its name', async () => {
    const { name } = await docs(20)
    // Somebody writes over one record of whatever is there, before each request for records.
    const api = await through(1, async (request) => {
      if (!asksForRecords(request)) return undefined
      for (const collection of (await collectionsOf(to(), name)).values())
        await to().upsert(collection, batchOf([{ id: 'r3', embedding: [7, 7, 7], document: 'intruder' }]))
      return undefined
    })
    await expect(copyCollections({ ...jobOf(name), to: api })).rejects.toMatchObject({
      code: 'COPY_DIFFERS',
      exitCode: 13,
      message: expect.stringContaining('such as r3: document is "intruder" instead of'),
    })
    expect([...(await collectionsOf(to(), name)).keys()]).not.toContain('docs')
    expect(await copy(name)).toMatchObject({ equal: true, exitCode: 0 })
  })
})
