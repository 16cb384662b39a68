import { expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { silentProgress } from '../../src/core/progress.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { batchOf } from '../helpers/memory-source.js'
import { backupOf, freshDatabase, restoreJob, withApi } from '../helpers/restores.js'

const chroma = chromaForSuite()

test('says of every collection what differs, and what the backup does not have', async () => {
  const backup = await backupOf(
    ['changed', 'dropped', 'same'].map((name) => collectionOf(name, [numberedBatch(20)])),
  )
  await withApi(chroma().url, async (api) => {
    const database = await freshDatabase(api)
    const place = { tenant: 'default_tenant', database }
    await restoreBackup(restoreJob(backup, api, { targetDatabase: database }))
    const changed = await api.getCollection({ ...place, name: 'changed' })
    await api.deleteRecords(changed, ['r0', 'r1'])
    await new ServerCollectionWriter(api, changed).write(batchOf([{ id: 'r1', embedding: [9, 9, 9] }]))
    await api.updateCollection(changed, { newMetadata: new Map([['by', 'hand']]) })
    await api.deleteCollection(await api.getCollection({ ...place, name: 'dropped' }))
    await api.createCollection({ ...place, name: 'new', metadata: null, schema: null, configuration: null })

    const job = { ...backup, api, targetDatabase: database, now: () => new Date(), progress: silentProgress }
    const report = await verifyAgainst(job)
    expect(report).toMatchObject({
      status: 'different',
      exitCode: 3,
      records: 40,
      onlyOnServer: [`default_tenant/${database}/new`],
    })
    expect(report.collections).toMatchObject([
      { status: 'different', comparison: { missing: 1, differing: 1, extra: 0, orderDiffers: true } },
      { status: 'missing', comparison: null },
      { status: 'equal', comparison: { equal: true } },
    ])
    expect(report.collections[0]?.comparison?.samples.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['r0', 'r1']),
    )
    expect(report.collections[0]?.warnings.map(({ code }) => code)).toEqual(['METADATA_DIFFERS'])
    expect(await verifyAgainst({ ...job, collections: ['same'] })).toMatchObject({
      status: 'equal',
      exitCode: 0,
    })
  })
})
