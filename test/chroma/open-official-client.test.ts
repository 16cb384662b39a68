import { expect, test } from '@jest/globals'

import { openOfficialClient } from '../../src/chroma/open-official-client.js'
import { apiForSuite, home } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

test('the official client works on the same database', async () => {
  await simpleCollection(api(), 'docs', 3)
  const client = await openOfficialClient({ url: chroma().url }, home)
  const docs = await client.getCollection({ name: 'docs' })
  expect(await docs.count()).toBe(3)
})

test.each([
  ['a path prefix', { url: 'https://example.com/prefix' }],
  ['certificates', { url: 'https://example.com', tls: { ca: 'PEM' } }],
])('%s, which it does not know, is refused', async (_, options) => {
  await expect(openOfficialClient(options, home)).rejects.toMatchObject({ exitCode: 16 })
})
