import { expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import type { ChromaApi } from '../../src/chroma/api.js'
import type { MetadataValue } from '../../src/core/metadata.js'
import { silentProgress } from '../../src/core/progress.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { collectionOf } from '../helpers/backups.js'
import { batchOf, type PlainRecord } from '../helpers/memory-source.js'
import { backupOf, restoreJob, withApi } from '../helpers/restores.js'

const chroma = chromaForSuite()

test('a server without leftovers gives no warning', async () => {
  const backup = await backupOf([collectionOf('clean', [batchOf(records)], { dimension: 2 })])
  await withApi(chroma().url, async (api) => {
    const { collections } = await restoreBackup(
      restoreJob(backup, api, { rename: new Map([['clean', 'other']]) }),
    )
    expect(collections[0]?.warnings).toEqual([])
  })
})

// Chroma 1.5 keeps the lists of deleted collections and shows them on new records (chroma-core/chroma#7594).
test('lists of a deleted collection do not get into restored records', async () => {
  const backup = await backupOf([collectionOf('docs', [batchOf(records)], { dimension: 2 })])
  await withApi(chroma().url, async (api) => {
    await deletedCollectionWithLists(api, 1500)
    const { collections, equal } = await restoreBackup(restoreJob(backup, api))
    expect(equal).toBe(true)
    expect(collections[0]?.warnings).toMatchObject([{ code: 'FOREIGN_LISTS_REMOVED' }])
    expect(collections[0]?.comparison).toMatchObject({ equal: true, orderDiffers: false, differing: 0 })
    const docs = { tenant: 'default_tenant', database: 'default_database', name: 'docs' }
    const found = await api.get(await api.getCollection(docs), { include: ['metadatas', 'documents'] })
    expect(found.metadatas).toEqual(records.map(({ metadata }) => metadata ?? null))
    expect(found.documents).toEqual(records.map(({ document }) => document ?? null))
  })
})

test('records overwritten in place are cleaned too', async () => {
  const backup = await backupOf([collectionOf('kept', [batchOf(records)], { dimension: 2 })])
  await withApi(chroma().url, async (api) => {
    await restoreBackup(restoreJob(backup, api))
    const name = { tenant: 'default_tenant', database: 'default_database', name: 'kept' }
    const kept = await api.getCollection(name)
    await deletedCollectionWithLists(api, 5)
    await api.deleteRecords(kept, ['id0', 'id1', 'id2'])
    const { equal } = await restoreBackup(restoreJob(backup, api, { mode: 'overwrite' }))
    expect(equal).toBe(true)
    const { repository, head } = backup
    const against = await verifyAgainst({
      repository,
      head,
      api,
      collections: ['kept'],
      progress: silentProgress,
      now: () => new Date(),
    })
    expect(against.status).toBe('equal')
  })
})

const records: readonly PlainRecord[] = Array.from({ length: 1200 }, (_, row) => ({
  id: `id${row}`,
  embedding: [row, 1],
  document: row % 2 === 0 ? `document ${row}` : null,
  metadata:
    row % 3 === 0
      ? null
      : new Map<string, MetadataValue>([
          ['n', BigInt(row)],
          ...(row % 3 === 1 ? [] : ([['own', ['a', `b${row}`]]] as const)),
        ]),
}))

async function deletedCollectionWithLists(api: ChromaApi, count: number): Promise<void> {
  const old = await api.createCollection({
    tenant: 'default_tenant',
    database: 'default_database',
    name: 'old',
    metadata: null,
    schema: null,
    configuration: null,
  })
  const leftovers = Array.from({ length: count }, (_, row) => ({
    id: `old${row}`,
    embedding: [row, 2],
    metadata: new Map<string, MetadataValue>([
      ['tags', ['left', 'over']],
      ['own', [`not ${row}`]],
    ]),
  }))
  await api.add(old, batchOf(leftovers))
  await api.deleteCollection(old)
}
