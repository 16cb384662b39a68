import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { describeOldServer } from '../helpers/old-server.js'
import { simpleCollection } from '../helpers/simple-collection.js'
import { healthOf } from './health-of.js'

describeOldServer('health', (binding) => {
  let chroma: TestChroma

  beforeAll(async () => {
    chroma = await startChroma({ binding })
  })
  afterAll(async () => {
    await chroma.stop()
  })

  test('of a server that knows less is checked just the same', async () => {
    const api = new ChromaApi(await connectTransport({ url: chroma.url }))
    await simpleCollection(api, 'some', 40, 'cosine')
    await api.transport.close()
    const report = await healthOf(chroma.url)
    expect(report).toMatchObject({
      status: 'ok',
      fingerprint: { atLeast: '1.0', capabilities: { schema: false, search: false } },
      collections: [{ name: 'some', records: 40, space: 'cosine', vectors: { checked: 24, lost: 0 } }],
    })
  })
})
