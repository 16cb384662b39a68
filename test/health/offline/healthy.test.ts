import { expect, test } from '@jest/globals'

import type { ChromaApi } from '../../../src/chroma/api.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { simpleCollection, simpleRecords } from '../../helpers/simple-collection.js'
import { ask, complaints, healthOfDirectory, onServer, writtenDirectory } from './directories.js'

const small = { hnsw: { sync_threshold: 10 } } as const

/** Real directories that nothing is wrong with. */
const healthy: readonly (readonly [string, (api: ChromaApi) => Promise<void>])[] = [
  ['a fresh one', async () => {}],
  [
    'an empty collection',
    async (api) => {
      await simpleCollection(api, 'empty', 0)
    },
  ],
  [
    'fewer records than a save takes',
    async (api) => {
      await simpleCollection(api, 'few', 300)
    },
  ],
  [
    'saved once, and more in the log',
    async (api) => {
      const collection = await simpleCollection(api, 'more', 1000, 'cosine')
      await api.add(collection, simpleRecords(1000, 77))
    },
  ],
  [
    'a small threshold, saved often, with deletes and updates',
    async (api) => {
      const collection = await newCollection(api, small)
      for (let first = 0; first < 120; first += 12) await api.add(collection, simpleRecords(first, 12))
      await api.deleteRecords(collection, simpleRecords(30, 25).ids)
      await api.add(collection, simpleRecords(200, 3))
      await api.deleteRecords(collection, ['id0', 'id201', 'id201', 'never-there'])
      await api.add(collection, simpleRecords(30, 5))
    },
  ],
  [
    'every record deleted after a save',
    async (api) => {
      const collection = await newCollection(api, small)
      await api.add(collection, simpleRecords(0, 30))
      await api.deleteRecords(collection, simpleRecords(0, 30).ids)
    },
  ],
  [
    'every record deleted, then new ones',
    async (api) => {
      const collection = await newCollection(api, small)
      await api.add(collection, simpleRecords(0, 30))
      await api.deleteRecords(collection, simpleRecords(0, 30).ids)
      await api.add(collection, simpleRecords(100, 4))
    },
  ],
  [
    'several tenants, the same name in each',
    async (api) => {
      for (const tenant of ['first', 'second']) {
        await ask(api, 'POST', '', { name: tenant })
        await ask(api, 'POST', `/${tenant}/databases`, { name: 'own' })
        const collection = await newCollection(api, { tenant, database: 'own', name: 'same', ...small })
        await api.add(collection, simpleRecords(0, 25))
      }
    },
  ],
  [
    'lists in metadata, and ids with strange characters',
    async (api) => {
      const collection = await newCollection(api, small)
      const records = simpleRecords(0, 20)
      await api.add(collection, {
        ...records,
        ids: records.ids.map((id, index) => `${id}-ü\u{1f600}"'%-${index}`),
        metadatas: records.ids.map(() => new Map([['list', ['x', 'y']]])),
      })
    },
  ],
  [
    'a database that was deleted before anything was in it',
    async (api) => {
      await ask(api, 'POST', '/default_tenant/databases', { name: 'gone' })
      await ask(api, 'DELETE', '/default_tenant/databases/gone')
      await simpleCollection(api, 'kept', 12)
    },
  ],
]

test.each(healthy)('nothing is found in %s', async (_, write) => {
  const directory = await writtenDirectory(write)
  const report = await healthOfDirectory(directory, { level: 'deep' })
  expect(report.findings).toEqual([])
  expect([report.status, report.database?.releases]).toEqual(['ok', '1.5.0 and newer'])
})

test('what a restart leaves is healthy too, and so is what is read for the first time', async () => {
  const directory = await writtenDirectory(async (api) => {
    await api.add(await newCollection(api, { name: 'saved', ...small }), simpleRecords(0, 25))
    await simpleCollection(api, 'unsaved', 40)
  })
  const report = await healthOfDirectory(directory)
  await onServer(directory, async (api) => {
    for (const { tenant, database, name, id } of report.collections)
      await api.get({ tenant, database, name, id }, { limit: 1, include: ['embeddings'] })
  })
  const again = await healthOfDirectory(directory)
  expect(complaints(again)).toEqual([])
  expect(again.collections.map(({ records }) => records)).toEqual([25, 40])
})

test('figures are those of the server, with a server on the directory', async () => {
  const directory = await writtenDirectory(async (api, own) => {
    const collection = await newCollection(api, { name: 'figures', ...small })
    await api.add(collection, simpleRecords(0, 25))
    await api.deleteRecords(collection, ['id3', 'id4'])
    const report = await healthOfDirectory(own)
    expect(complaints(report)).toEqual([])
    expect(report.collections[0]).toMatchObject({
      records: 23,
      status: 'ok',
      vectors: { saved: 25, lost: 0 },
    })
  })
  const report = await healthOfDirectory(directory)
  expect(report.collections[0]).toMatchObject({
    name: 'figures',
    dimension: 3,
    space: 'l2',
    records: 23,
    vectors: { saved: 25, lost: 0, lostIds: [] },
    index: { elements: 25, deleted: 0 },
  })
})
