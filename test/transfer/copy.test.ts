import { describe, expect, test } from '@jest/globals'

import { UsageError } from '../../src/core/errors.js'
import { displayName } from '../../src/core/records.js'
import { copyCollections } from '../../src/transfer/copy-collections.js'
import { numberedBatch } from '../helpers/backups.js'
import { contentsOf, seedCollection, TENANT, twoServersForSuite } from '../helpers/copies.js'
import { sampleBatch } from '../helpers/records.js'
import { collectionsOf } from '../helpers/restores.js'
import { expectSameContents } from '../helpers/server-contents.js'

const { chromas, from, to, jobOf, copy, database, contents } = twoServersForSuite()

/** The lines of the definition are compared by the tests that are about it. */
function records(collections: ReadonlyMap<string, readonly string[]>) {
  return new Map([...collections].map(([name, [, ...lines]]) => [name, lines]))
}

describe('between two servers', () => {
  test('definitions and records are the same, in the same order, as another reader sees them', async () => {
    const name = await database()
    await seedCollection(
      from(),
      { database: name, name: 'sample' },
      sampleBatch({ rows: 150, dimension: 5 }),
      {
        metadata: new Map<string, string | bigint>([
          ['owner', 'docs'],
          ['rank', 7n],
        ]),
      },
    )
    await seedCollection(from(), { database: name, name: 'cosine' }, numberedBatch(80, 8), {
      configuration: new Map([
        [
          'hnsw',
          new Map<string, string | bigint>([
            ['space', 'cosine'],
            ['ef_search', 77n],
          ]),
        ],
      ]),
    })
    await seedCollection(from(), { database: name, name: 'empty' }, numberedBatch(0, 3))
    const summary = await copy(name)
    expect(summary).toMatchObject({ equal: true, records: 230, written: 230, changed: 0, exitCode: 0 })
    expect(
      summary.collections.map(({ action, passes, consistency }) => [action, passes, consistency?.kind]),
    ).toEqual(Array(3).fill(['create', 1, 'quiesced']))
    const { source, target } = await contents(name)
    const exact = (all: ReadonlyMap<string, readonly string[]>) =>
      new Map([...all].filter(([key]) => key !== 'cosine'))
    expectSameContents(exact(target), exact(source))
    expect(target.get('cosine')?.[0]).toEqual(source.get('cosine')?.[0])
  })

  test('tenants and databases that are missing are created; names and places can be changed', async () => {
    const name = await database()
    await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(20))
    const summary = await copy(name, {
      targetTenant: `tenant-${name}`,
      targetDatabase: `other-${name}`,
      rename: new Map([['docs', 'papers']]),
    })
    expect(summary.collections.map(({ target }) => displayName(target))).toEqual([
      `tenant-${name}/other-${name}/papers`,
    ])
    expect(await to().listDatabases(`tenant-${name}`)).toEqual([`other-${name}`])
  })

  test('only what is asked for', async () => {
    const name = await database()
    for (const each of ['docs-a', 'docs-b', 'images'])
      await seedCollection(from(), { database: name, name: each }, numberedBatch(3))
    await copy(name, { collections: ['docs-*'], exclude: ['*-b'] })
    expect([...(await collectionsOf(to(), name)).keys()]).toEqual(['docs-a'])
    await expect(copy(name, { collections: ['nope'] })).rejects.toMatchObject({ exitCode: 10 })
    await expect(copy(name, { rename: new Map([['docs-a', 'images']]) })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('would both be copied as'),
    })
    await expect(copy(await database())).rejects.toMatchObject({ code: 'COPY_EMPTY', exitCode: 15 })
  })
})

describe('where the name exists', () => {
  async function clash() {
    const name = await database()
    await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(30))
    await to().createDatabase(TENANT, name)
    await seedCollection(to(), { database: name, name: 'docs' }, numberedBatch(10, 3, 'old'))
    return name
  }

  test('nothing is written unless a mode says what happens', async () => {
    const name = await clash()
    const before = await contentsOf(chromas[1]().url, name)
    await expect(copy(name)).rejects.toMatchObject({ code: 'COPY_TARGET_EXISTS', exitCode: 15 })
    expectSameContents(await contentsOf(chromas[1]().url, name), before)
  })

  test('replace swaps, and keeps the old one', async () => {
    const name = await clash()
    const { collections } = await copy(name, { mode: 'replace' })
    expect(collections).toMatchObject([{ action: 'replace', equal: true }])
    const kept = collections[0]?.keptAs ?? ''
    const { source, target } = await contents(name)
    expectSameContents(records(new Map([['docs', target.get('docs') ?? []]])), records(source))
    expect(target.get(kept)).toHaveLength(11)
    await copy(name, { mode: 'replace', dropOld: true })
    expect([...(await contents(name)).target.keys()].sort()).toEqual(['docs', kept].sort())
  })

  test('missing adds, overwrite makes equal', async () => {
    const name = await clash()
    expect(await copy(name, { mode: 'missing' })).toMatchObject({
      written: 30,
      exitCode: 0,
      collections: [{ action: 'add-missing', extra: 10, equal: false, deleted: 0 }],
    })
    expect(await to().count(await collection(name))).toBe(40)
    expect(await copy(name, { mode: 'overwrite' })).toMatchObject({ deleted: 10, written: 0, equal: true })
    const { source, target } = await contents(name)
    expectSameContents(records(target), records(source))
  })

  test('overwrite does not empty a collection because the source has lost its records', async () => {
    const name = await clash()
    await copy(name, { mode: 'overwrite' })
    const source = (await collectionsOf(from(), name)).get('docs')
    if (source === undefined) throw new Error('no source')
    await from().deleteRecords(source, numberedBatch(25).ids)
    await expect(copy(name, { mode: 'overwrite' })).rejects.toMatchObject({
      code: 'COPY_SHRINKS',
      exitCode: 15,
    })
    expect(await to().count(await collection(name))).toBe(30)
    expect(await copy(name, { mode: 'overwrite', allowShrink: true })).toMatchObject({ deleted: 25 })
  })

  test('another dimension cannot be filled', async () => {
    const name = await clash()
    await copy(name, { mode: 'replace', dropOld: true })
    const other = await database()
    await seedCollection(from(), { database: other, name: 'docs' }, numberedBatch(5, 7))
    await expect(copy(other, { mode: 'overwrite', targetDatabase: name })).rejects.toMatchObject({
      code: 'COPY_TARGET_UNFIT',
    })
  })

  async function collection(name: string) {
    const found = (await collectionsOf(to(), name)).get('docs')
    if (found === undefined) throw new Error('no target')
    return found
  }
})

describe('within one server', () => {
  test('between databases, or under another name', async () => {
    const name = await database()
    await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(40))
    const within = { to: from() }
    expect(await copy(name, { ...within, targetDatabase: `copy-of-${name}` })).toMatchObject({ equal: true })
    expect(await copy(name, { ...within, rename: new Map([['docs', 'docs-2']]) })).toMatchObject({
      equal: true,
    })
    const { source } = await contents(name)
    expect(source.get('docs-2')?.slice(1)).toEqual(source.get('docs')?.slice(1))
    const other = await contentsOf(chromas[0]().url, `copy-of-${name}`)
    expectSameContents(records(other), new Map([['docs', source.get('docs')?.slice(1) ?? []]]))
  })

  test('never onto itself, whatever the server is called', async () => {
    const name = await database()
    await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(4))
    const self = { ...jobOf(name), to: from(), mode: 'overwrite' } as const
    await expect(copyCollections(self)).rejects.toThrow(UsageError)
    await expect(copyCollections(self)).rejects.toThrow('would be copied onto itself')
  })
})

test('a large document and many of them', async () => {
  const name = await database()
  const batch = numberedBatch(6)
  const documents = batch.ids.map((_, row) => `${row}`.repeat(row === 3 ? 3_000_000 : 200_000))
  await seedCollection(from(), { database: name, name: 'large' }, { ...batch, documents })
  expect(await copy(name)).toMatchObject({ equal: true, records: 6 })
  const { source, target } = await contents(name)
  expectSameContents(target, source)
})
