import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { serverLookup } from '../../src/chroma/server-lookup.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { ServerSource } from '../../src/chroma/server-source.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import type { FaultProxy } from '../helpers/fault-proxy.js'
import { startQuotaProxy } from '../helpers/quota-proxy.js'
import { simpleCollection, simpleRecords } from '../helpers/simple-collection.js'

const QUOTA = 40
const chroma = chromaForSuite()
let proxy: FaultProxy
let api: ChromaApi
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-quota-'))
  proxy = await startQuotaProxy(chroma().url, QUOTA)
  api = new ChromaApi(await connectTransport({ url: proxy.url }), { mostPerRequest: QUOTA })
})
afterAll(async () => {
  await api.transport.close()
  await proxy.close()
  await rm(folder, { recursive: true, force: true })
})

test('a server that takes and gives few records at once is written, read, looked up and emptied', async () => {
  const collection = await simpleCollection(api, 'quota', 0)
  const records = simpleRecords(0, 130)
  await new ServerCollectionWriter(api, collection).write(records)
  const source = new ServerSource({ api, scope: { tenants: ['default_tenant'] }, tempDir: folder })
  const reader = await source.openCollection(await api.getCollection(collection))
  const read: string[] = []
  for await (const { ids } of reader.batches()) read.push(...ids)
  expect(read).toEqual(records.ids)
  const lookup = serverLookup(api, await api.getCollection(collection))
  expect((await lookup.fetch(records.ids)).ids).toEqual(records.ids)
  const listed: string[] = []
  for await (const ids of lookup.listIds()) listed.push(...ids)
  expect(listed).toEqual(records.ids)
  await new ServerCollectionWriter(api, collection, { existing: 'replace' }).write({
    ...records,
    documents: records.ids.map(() => 'new'),
  })
  expect((await lookup.fetch(records.ids)).documents.every((document) => document === 'new')).toBe(true)
  await api.deleteRecords(collection, records.ids)
  expect(await api.count(collection)).toBe(0)
  expect(proxy.faults).toBe(0)
})
