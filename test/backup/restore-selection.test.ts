import { describe, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { planRestore, restoreBackup } from '../../src/backup/restore-backup.js'
import { ChromaServerError } from '../../src/chroma/errors.js'
import { collectionOf, jobOf, newRepository, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { FaultySource } from '../helpers/faulty-source.js'
import { batchOf } from '../helpers/memory-source.js'
import { backupOf, collectionsOf, freshDatabase, restoreJob, withApi } from '../helpers/restores.js'

const chroma = chromaForSuite()
const small = numberedBatch(5)
const two = [
  collectionOf('docs', [small], { database: 'one', id: '1' }),
  collectionOf('docs', [small], { database: 'two', id: '2' }),
  collectionOf('other', [small], { database: 'two', id: '3' }),
]

describe('where collections go', () => {
  test('renamed, into another database and tenant, which are made', async () => {
    const backup = await backupOf(two)
    await withApi(chroma().url, async (api) => {
      const summary = await restoreBackup(
        restoreJob(backup, api, {
          targetTenant: 'new-tenant',
          targetDatabase: 'new-database',
          rename: new Map([
            ['one/docs', 'docs-of-one'],
            ['two/docs', 'third/docs'],
          ]),
        }),
      )
      expect(summary.collections.map(({ target }) => Object.values(target).join('/'))).toEqual([
        'new-tenant/new-database/docs-of-one',
        'new-tenant/third/docs',
        'new-tenant/new-database/other',
      ])
      expect((await api.listCollections('new-tenant', 'third')).map(({ name }) => name)).toEqual(['docs'])
    })
  })

  test.each<[string, object, object]>([
    [
      'two of one name',
      { targetDatabase: 'same' },
      {
        exitCode: 2,
        message:
          'default_tenant/one/docs and default_tenant/two/docs would both be restored as default_tenant/same/docs',
      },
    ],
    [
      'an unknown collection to rename',
      { rename: new Map([['nope', 'x1x']]) },
      { exitCode: 10, message: 'no collection named nope' },
    ],
    [
      'an unknown collection',
      { collections: ['nope', 'docs'] },
      { code: 'COLLECTION_NOT_FOUND', exitCode: 10 },
    ],
    [
      'a name that Chroma would refuse',
      { rename: new Map([['other', 'x']]) },
      { exitCode: 2, message: 'cannot rename other to "x"' },
    ],
    ['a name with an empty part', { rename: new Map([['other', 'a//b']]) }, { exitCode: 2 }],
    ['a pattern that is none', { collections: ['a/b/c/d'] }, { exitCode: 2 }],
  ])('%s: told before anything is written', async (_, overrides, error) => {
    const backup = await backupOf(two)
    await withApi(chroma().url, async (api) => {
      await expect(restoreBackup(restoreJob(backup, api, overrides))).rejects.toMatchObject(error)
    })
  })

  test('only what was asked for', async () => {
    const backup = await backupOf(two)
    await withApi(chroma().url, async (api) => {
      const database = await freshDatabase(api)
      const job = restoreJob(backup, api, {
        collections: ['two/*'],
        exclude: ['docs'],
        targetDatabase: database,
      })
      expect((await restoreBackup(job)).collections).toHaveLength(1)
      expect([...(await collectionsOf(api, database)).keys()]).toEqual(['other'])
    })
  })
})

describe('a backup that is not whole', () => {
  test('needs allowPartial; what there is comes back, the rest is told', async () => {
    const repository = await newRepository()
    const lossy = batchOf([
      { id: 'a', embedding: [1, 2] },
      { id: 'lost', embedding: null },
      { id: 'c', embedding: [3, 4] },
    ])
    const broken = collectionOf('broken', [small])
    const source = new FaultySource(
      [broken, collectionOf('lossy', [lossy]), collectionOf('whole', [small])],
      {
        broken: new ChromaServerError('disk I/O error'),
      },
    )
    const { head } = await createBackup(jobOf(repository, source))
    await withApi(chroma().url, async (api) => {
      const database = await freshDatabase(api)
      const job = restoreJob({ repository, head }, api, { targetDatabase: database })
      await expect(restoreBackup(job)).rejects.toMatchObject({
        code: 'RESTORE_PARTIAL',
        exitCode: 15,
        hint: expect.stringContaining('--allow-partial'),
      })
      // Whole collections of it can be had without more ado.
      await expect(planRestore({ ...job, collections: ['whole'] })).resolves.toMatchObject({ refusals: [] })

      const summary = await restoreBackup({ ...job, allowPartial: true })
      expect(summary).toMatchObject({ exitCode: 3, equal: true })
      expect(summary.warnings.map(({ code }) => code)).toEqual(['NOT_IN_BACKUP', 'VECTORS_LOST'])
      const restored = summary.collections.find(({ source: { name } }) => name === 'lossy')
      expect(restored).toMatchObject({
        records: 2,
        withoutVector: 1,
        comparison: { equal: true, records: 2 },
      })
    })
  })
})
