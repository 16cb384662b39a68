import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { silentProgress } from '../../src/core/progress.js'
import { copyCollections } from '../../src/transfer/copy-collections.js'
import { planCopy } from '../../src/transfer/plan-copy.js'
import { numberedBatch } from '../helpers/backups.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { seedCollection } from '../helpers/copies.js'
import { batchOf } from '../helpers/memory-source.js'
import { describeOldServer } from '../helpers/old-server.js'
import { withApi } from '../helpers/restores.js'

describeOldServer('copy to and from an old server', (binding) => {
  let old: TestChroma
  let recent: TestChroma
  let tempDir: string
  beforeAll(async () => {
    old = await startChroma({ binding })
    recent = await startChroma()
    tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-copy-old-'))
  })
  afterAll(async () => {
    await old.stop()
    await recent.stop()
    await rm(tempDir, { recursive: true })
  })

  test('records are equal in both directions; what it does not know is told before', async () => {
    await withApi(recent.url, (from) =>
      withApi(old.url, async (to) => {
        const database = 'default_database'
        await seedCollection(from, { database, name: 'docs' }, numberedBatch(100, 8))
        const scope = { tenants: ['default_tenant'] }
        const common = { scope, tempDir, now: () => new Date(), progress: silentProgress }
        const plan = await planCopy({ ...common, from, to })
        expect(plan).toMatchObject({ fits: true, collections: [{ action: 'create' }] })
        expect(plan.collections[0]?.changes.map(({ code }) => code)).toContain('SCHEMA_LOST')
        expect(await copyCollections({ ...common, from, to })).toMatchObject({ equal: true })
        const back = { ...common, from: to, to: from, rename: new Map([['docs', 'docs-2']]) }
        expect(await copyCollections(back)).toMatchObject({ equal: true, records: 100 })
        const lists = batchOf([{ id: 'a', embedding: [1], metadata: new Map([['l', ['x', 'y']]]) }])
        await seedCollection(from, { database, name: 'lists' }, lists)
        const unfit = await planCopy({ ...common, from, to, collections: ['lists'] })
        expect(unfit).toMatchObject({
          exitCode: 3,
          collections: [{ limits: { findings: [{ code: 'LIST', ids: ['a'] }] } }],
        })
      }),
    )
  })
})
