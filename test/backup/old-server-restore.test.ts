import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import type { MetadataValue } from '../../src/core/metadata.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { describeOldServer } from '../helpers/old-server.js'
import { backupOf, collectionsOf, restoreJob, withApi } from '../helpers/restores.js'

describeOldServer('restore into an old server', (binding) => {
  let chroma: TestChroma
  beforeAll(async () => {
    chroma = await startChroma({ binding })
  })
  afterAll(() => chroma.stop())

  test('names, metadata, its absence and the space come back; again with replace', async () => {
    const metadata = new Map<string, MetadataValue>([
      ['n', 1n],
      ['f', 1],
    ])
    const backup = await backupOf([
      collectionOf('with', [numberedBatch(300, 8)], { metadata }),
      collectionOf('without', [numberedBatch(20, 8)]),
      collectionOf('cosine', [numberedBatch(200, 8)], {
        configuration: new Map([['hnsw', new Map([['space', 'cosine']])]]),
      }),
      collectionOf('empty', []),
    ])
    await withApi(chroma.url, async (api) => {
      for (const mode of ['create', 'replace', 'overwrite'] as const) {
        expect(await restoreBackup(restoreJob(backup, api, { mode }))).toMatchObject({ equal: true })
        const found = await collectionsOf(api)
        expect(found.get('with')?.metadata).toEqual(metadata)
        expect(found.get('without')?.metadata).toBeNull()
      }
    })
  })
})
