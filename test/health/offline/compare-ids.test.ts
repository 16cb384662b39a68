import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { connectTransport } from '../../../src/chroma/connect.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { startChroma, type TestChroma } from '../../helpers/chroma-server.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import { changeDatabase, copyOf, healthOfDirectory } from './directories.js'

const ABOUT = 'default_tenant/default_database/docs'
let chroma: TestChroma
let api: ChromaApi

beforeAll(async () => {
  chroma = await startChroma()
  api = new ChromaApi(await connectTransport({ url: chroma.url }))
  const docs = await newCollection(api, { name: 'docs', hnsw: { sync_threshold: 10 } })
  await api.add(docs, simpleRecords(0, 40))
})

afterAll(async () => {
  await api.transport.close()
  await chroma.stop()
})

/** What is said of the ids, where the server of the suite and this directory are compared. */
async function differences(directory: string): Promise<readonly string[]> {
  const report = await healthOfDirectory(directory, { server: api })
  return (report.server?.differences ?? []).map(({ collection, text }) => `${collection}: ${text}`)
}

test('a server and its own directory do not differ', async () => {
  expect(await differences(chroma.directory)).toEqual([])
})

test('ids that differ are named though there are as many', async () => {
  const directory = await copyOf(chroma.directory)
  await changeDatabase(directory, "UPDATE embeddings SET embedding_id = 'of-here' WHERE id = 7")
  expect(await differences(directory)).toEqual([
    `${ABOUT}: 1 id is not on the server: "of-here"`,
    expect.stringMatching(/^default_tenant\/default_database\/docs: 1 id is not in the directory: "[^"]+"$/),
  ])
  const report = await healthOfDirectory(directory, { server: api })
  expect(report.findings).toContainEqual(
    expect.objectContaining({ id: 'SERVER_DIFFERS', severity: 'critical', collection: ABOUT }),
  )
})

test('of many, five are named', async () => {
  const directory = await copyOf(chroma.directory)
  await changeDatabase(directory, 'DELETE FROM embeddings WHERE id <= 8')
  const texts = await differences(directory)
  expect(texts.filter((text) => text.includes('8 ids are not in the directory:'))).toHaveLength(1)
  expect(texts.join().match(/"[^"]+"/g)).toHaveLength(5)
  expect(texts.join()).toContain('and more')
})

test('what waits in the log counts as a server counts it', async () => {
  const directory = await copyOf(chroma.directory)
  // The last write is taken back from the tables, as if the server had been killed before it applied it.
  await changeDatabase(
    directory,
    'DELETE FROM embeddings WHERE seq_id = (SELECT max(seq_id) FROM embeddings)',
    "UPDATE max_seq_id SET seq_id = seq_id - 1 WHERE segment_id IN (SELECT id FROM segments WHERE scope = 'METADATA')",
  )
  expect(await differences(directory)).toEqual([])
})
