import { expect, test } from '@jest/globals'

import { ChromaApi, cloudQuota } from '../../../src/chroma/api.js'
import { connectTransport } from '../../../src/chroma/connect.js'
import { complete } from '../../../src/migrations/run/complete.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'
import { startQuotaProxy } from '../../helpers/quota-proxy.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const MOST = 300

test('there and back within the quotas of Chroma Cloud: records of a request, lengths of names', async () => {
  const database = await openDatabase()
  const name = `docs-${'x'.repeat(120)}`
  await database.fill(name, 650)
  const files = [
    migration('00001', {
      async up(m) {
        const docs = m.collection(name)
        await docs
          .transform((record) => ({ ...record, document: `${record.document ?? ''}!` }))
          .changeSpace('cosine')
        await docs.copyTo('copy')
        await m.collection('copy').drop()
      },
    }),
  ]
  const proxy = await startQuotaProxy(chroma().url, MOST)
  const limited = new ChromaApi(await connectTransport({ url: proxy.url }), cloudQuota)
  try {
    const changes = { api: limited, allowDestructive: true, skipBackup: true }
    expect((await database.up(files, changes)).error).toBeNull()
    const texts = await database.texts(name)
    expect(texts).toHaveLength(650)
    expect(texts.filter((text) => !text.endsWith('!'))).toEqual([])
    for (const made of await database.names()) expect(made.length).toBeLessThanOrEqual(128)
    expect((await database.down(files, { api: limited })).error).toBeNull()
    expect(await database.texts(name)).toHaveLength(650)
    const job = { ...database.job(files), api: limited, version: null, early: true }
    await complete({ ...job, apply: true, acceptDataLoss: false })
    expect(proxy.faults).toBe(0)
  } finally {
    await limited.transport.close()
    await proxy.close()
  }
})
