import { describe, expect, test } from '@jest/globals'

import { planRestore, restoreBackup } from '../../src/backup/restore-backup.js'
import type { ChromaApi } from '../../src/chroma/api.js'
import { serverLookup } from '../../src/chroma/server-lookup.js'
import { ServerCollectionWriter } from '../../src/chroma/server-sink.js'
import { pickRows } from '../../src/core/batch-rows.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { batchOf } from '../helpers/memory-source.js'
import {
  backupOf,
  collectionsOf,
  freshDatabase,
  restoreJob,
  withApi,
  type TestBackup,
} from '../helpers/restores.js'

const chroma = chromaForSuite()
const records = numberedBatch(100)
const docs = collectionOf('docs', [records], { metadata: new Map([['kind', 'backup']]) })

describe('replace', () => {
  test('swaps, and the old one stays under another name', async () => {
    await inDatabase(async (api, database, backup) => {
      const live = await liveWithChanges(api, database, backup)
      const summary = await restoreBackup(
        restoreJob(backup, api, { targetDatabase: database, mode: 'replace' }),
      )
      expect(summary).toMatchObject({ equal: true, written: 100 })
      const [restored] = summary.collections
      expect(restored).toMatchObject({
        action: 'replace',
        keptAs: expect.stringMatching(/^docs\.replaced-[0-9a-f]{8}$/),
      })
      const found = await collectionsOf(api, database)
      expect(found.get('docs')).toMatchObject({ id: restored?.id, metadata: docs.definition.metadata })
      expect(found.get(restored?.keptAs ?? '')?.id).toBe(live.id)
      expect(found.size).toBe(2)
    })
  })

  test('again: the second old one gets a name of its own', async () => {
    await inDatabase(async (api, database, backup) => {
      const job = restoreJob(backup, api, { targetDatabase: database, mode: 'replace' })
      for (let time = 0; time < 3; time++) await restoreBackup(job)
      const names = [...(await collectionsOf(api, database)).keys()].sort()
      expect(names).toEqual([
        'docs',
        expect.stringMatching(/replaced-\w{8}$/),
        expect.stringMatching(/replaced-\w{8}-2$/),
      ])
    })
  })

  test('dropOld deletes the old one after the swap', async () => {
    await inDatabase(async (api, database, backup) => {
      await liveWithChanges(api, database, backup)
      const options = { targetDatabase: database, mode: 'replace', dropOld: true } as const
      const summary = await restoreBackup(restoreJob(backup, api, options))
      expect(summary.collections[0]).toMatchObject({ action: 'replace', keptAs: null })
      expect([...(await collectionsOf(api, database)).keys()]).toEqual(['docs'])
    })
  })
})

describe('missing', () => {
  test('adds absent records and leaves all others as they are', async () => {
    await inDatabase(async (api, database, backup) => {
      const live = await liveWithChanges(api, database, backup)
      const job = restoreJob(backup, api, { targetDatabase: database, mode: 'missing' })
      expect((await planRestore(job)).collections[0]).toMatchObject({
        action: 'add-missing',
        existingRecords: 93,
      })
      const summary = await restoreBackup(job)
      expect(summary.collections[0]).toMatchObject({
        action: 'add-missing',
        id: live.id,
        written: 10,
        deleted: 0,
      })
      expect(summary.collections[0]?.comparison).toMatchObject({ missing: 0, differing: 5, extra: 3 })
      expect(await documentOf(api, live, 'r50')).toBe('changed')
      expect(await api.count(live)).toBe(103)
    })
  })
})

describe('overwrite', () => {
  test('makes the records equal: adds, rewrites, deletes; unchanged ones are not touched', async () => {
    await inDatabase(async (api, database, backup) => {
      const live = await liveWithChanges(api, database, backup)
      const job = restoreJob(backup, api, { targetDatabase: database, mode: 'overwrite' })
      const summary = await restoreBackup(job)
      expect(summary.collections[0]).toMatchObject({
        action: 'overwrite',
        id: live.id,
        written: 15,
        deleted: 8,
        comparison: { equal: true, orderDiffers: true },
      })
      expect((await restoreBackup(job)).collections[0]).toMatchObject({ written: 0, deleted: 0 })
    })
  })

  test('old metadata keys do not stay: nothing is merged', async () => {
    await inDatabase(async (api, database, backup) => {
      const live = await liveWithChanges(api, database, backup)
      await restoreBackup(restoreJob(backup, api, { targetDatabase: database, mode: 'overwrite' }))
      const { metadatas } = await serverLookup(api, live).fetch(['r51'])
      expect(metadatas[0] ?? null).toEqual(records.metadatas[51])
    })
  })

  test('thousands of extra records are deleted, no other', async () => {
    await inDatabase(async (api, database, backup) => {
      const live = await liveWithChanges(api, database, backup)
      await new ServerCollectionWriter(api, live).write(numberedBatch(5000, 3, 'extra'))
      const summary = await restoreBackup(
        restoreJob(backup, api, { targetDatabase: database, mode: 'overwrite' }),
      )
      expect(summary.collections[0]).toMatchObject({ deleted: 5008, comparison: { equal: true, extra: 0 } })
    })
  })
})

test.each(['missing', 'overwrite'] as const)(
  '%s refuses a collection that cannot take the records',
  async (mode) => {
    const backup = await backupOf([docs])
    const other = await backupOf([collectionOf('docs', [numberedBatch(3, 5)])])
    const cosine = await backupOf([
      collectionOf('docs', [numberedBatch(3)], {
        configuration: new Map([['hnsw', new Map([['space', 'cosine']])]]),
      }),
    ])
    await withApi(chroma().url, async (api) => {
      for (const [unfit, message] of [
        [other, /dimension 5, the source 3/],
        [cosine, /measures cosine, the source l2/],
      ] as const) {
        const database = await freshDatabase(api)
        await restoreBackup(restoreJob(unfit, api, { targetDatabase: database }))
        await expect(
          restoreBackup(restoreJob(backup, api, { targetDatabase: database, mode })),
        ).rejects.toMatchObject({
          code: 'RESTORE_TARGET_UNFIT',
          exitCode: 15,
          message: expect.stringMatching(message),
        })
      }
    })
  },
)

async function inDatabase(
  work: (api: ChromaApi, database: string, backup: TestBackup) => Promise<void>,
): Promise<void> {
  const backup = await backupOf([docs])
  await withApi(chroma().url, async (api) => work(api, await freshDatabase(api), backup))
}

/** The backup's records without ten, with five changed and three others. */
async function liveWithChanges(
  api: ChromaApi,
  database: string,
  backup: TestBackup,
): Promise<CollectionDefinition> {
  await restoreBackup(restoreJob(backup, api, { targetDatabase: database }))
  const live = await api.getCollection({ tenant: 'default_tenant', database, name: 'docs' })
  const changed = [50, 51, 52, 53, 54]
  const ids = [...Array.from({ length: 10 }, (_, row) => `r${row}`), ...changed.map((row) => `r${row}`)]
  await api.deleteRecords(live, ids)
  const writer = new ServerCollectionWriter(api, live)
  const rows = pickRows(records, changed)
  await writer.write({
    ...rows,
    documents: rows.ids.map(() => 'changed'),
    metadatas: rows.ids.map(() => new Map([['stale', 'yes']])),
  })
  await writer.write(batchOf(['x', 'y', 'z'].map((id) => ({ id, embedding: [1, 2, 3] }))))
  return live
}

async function documentOf(
  api: ChromaApi,
  collection: CollectionDefinition,
  id: string,
): Promise<string | null> {
  return (await serverLookup(api, collection).fetch([id])).documents[0] ?? null
}
