import { expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { indexFolder, SYNC_THRESHOLD } from '../helpers/lose-vectors.js'
import { simpleCollection, simpleRecords } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()

async function open(): Promise<ChromaApi> {
  return new ChromaApi(await connectTransport({ url: chroma().url }))
}

test('stopping in the middle of writes leaves every confirmed record with its vector', async () => {
  const api = await open()
  const collection = await simpleCollection(api, 'busy', 0)
  const step = SYNC_THRESHOLD / 2
  const confirmed: string[] = []
  const writing = (async () => {
    for (let first = 0; ; first += step) {
      const batch = simpleRecords(first, step)
      await api.add(collection, batch)
      confirmed.push(...batch.ids)
    }
  })()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await Promise.all([chroma().halt(), expect(writing).rejects.toThrow(), api.transport.close()])
  // The index has been saved meanwhile, which is what a kill at the wrong moment tears.
  expect(confirmed.length).toBeGreaterThan(SYNC_THRESHOLD)
  expect(await indexFolder(chroma().directory, collection.id)).toContain(chroma().directory)

  await chroma().restart()
  const again = await open()
  const kept = new Set<string>()
  for (let at = 0; at < confirmed.length; at += 1_000) {
    const ids = confirmed.slice(at, at + 1_000)
    const batch = await again.get(collection, { ids, include: ['embeddings'] })
    expect(batch.missingEmbeddings).toEqual([])
    for (const id of batch.ids) kept.add(id)
  }
  expect(kept.size).toBe(confirmed.length)
  await again.transport.close()
})
