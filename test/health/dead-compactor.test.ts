import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { collectionPath } from '../../src/chroma/api-path.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { simpleCollection } from '../helpers/simple-collection.js'
import { healthOf } from './health-of.js'

const chroma = chromaForSuite()
let api: ChromaApi

beforeAll(async () => {
  api = new ChromaApi(await connectTransport({ url: chroma().url }))
})

afterAll(async () => {
  await api.transport.close()
})

test('a server that is dead for data, while its heartbeat is green, is critical', async () => {
  const collection = await simpleCollection(api, 'good', 10)
  await simpleCollection(api, 'other', 10)
  // A number where the server expects the text of a document: the part that applies writes panics.
  const poison = '{"ids":["x"],"embeddings":[[1,2,3]],"metadatas":[{"chroma:document":17}]}'
  await expect(
    api.transport.send({
      method: 'POST',
      path: `${collectionPath(collection)}/add`,
      body: poison,
      idempotent: false,
    }),
  ).rejects.toThrow()
  await chroma().restart()

  expect((await healthOf(chroma().url, { level: 'live' })).status).toBe('ok')
  const report = await healthOf(chroma().url)
  expect(report.status).toBe('critical')
  expect(report.findings).toContainEqual(
    expect.objectContaining({
      id: 'COMPACTOR_DEAD',
      collection: 'default_tenant/default_database/good',
      command: expect.stringMatching(/^chroma-ops explain 'Error executing plan/),
    }),
  )
})
