import { describe, expect, test } from '@jest/globals'

import { planRestore, restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import { silentProgress } from '../../src/core/progress.js'
import type { MetadataValue } from '../../src/core/metadata.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { batchOf, type MemoryCollection, type PlainRecord } from '../helpers/memory-source.js'
import { backupOf, collectionsOf, freshDatabase, restoreJob, withApi } from '../helpers/restores.js'

const chroma = chromaForSuite()

const odd: PlainRecord[] = [
  {
    id: 'ä/🙂 "quoted"\\',
    embedding: [1, -2.5, 3e-30],
    document: 'line\nline',
    uri: 'file:///a b',
    metadata: new Map<string, MetadataValue>([
      ['one', 1n],
      ['one point zero', 1],
      ['big', 9007199254740993n],
      ['least', -(2n ** 63n)],
      ['pi', Math.PI],
      ['yes', true],
      ['empty', ''],
      ['list', ['a', 'b']],
      ['numbers', [1n, 2n]],
      ['__proto__', 'data'],
    ]),
  },
  { id: 'b', embedding: [0.1, 0.2, 0.3], document: '' },
  { id: 'c'.repeat(3000), embedding: [3.4e38, 1e-45, -0], uri: '' },
]

const manyMetadata = new Map<string, MetadataValue>([
  ['hnsw:space', 'l2'],
  ['hnsw:M', 16n],
  ['n', 1n],
  ['f', 1],
])

function everything(): MemoryCollection[] {
  return [
    collectionOf('many', [numberedBatch(700, 8, 'a'), numberedBatch(700, 8, 'b')], {
      metadata: manyMetadata,
    }),
    collectionOf('odd', [batchOf(odd)]),
    collectionOf('empty', [], { metadata: new Map([['kept', true]]) }),
    collectionOf('was-used', [], { dimension: 7 }),
    collectionOf('cosine', [numberedBatch(700, 24)], {
      configuration: new Map([['hnsw', new Map([['space', 'cosine']])]]),
    }),
    collectionOf('elsewhere', [numberedBatch(5)], { tenant: 'other', database: 'db1', id: 'elsewhere' }),
    collectionOf('many', [numberedBatch(7)], { tenant: 'other', database: 'db2', id: 'many2' }),
  ]
}

describe('create', () => {
  test('every collection comes back where it was, proven equal; missing tenants and databases are made', async () => {
    const backup = await backupOf(everything())
    await withApi(chroma().url, async (api) => {
      const plan = await planRestore(restoreJob(backup, api))
      expect(plan).toMatchObject({
        createTenants: ['other'],
        createDatabases: ['other/db1', 'other/db2'],
        records: 2115,
        refusals: [],
      })
      expect(new Set(plan.collections.map(({ action }) => action))).toEqual(new Set(['create']))
      expect(await collectionsOf(api)).toEqual(new Map())

      const summary = await restoreBackup(restoreJob(backup, api))
      expect(summary).toMatchObject({ records: 2115, written: 2115, equal: true, exitCode: 0, warnings: [] })
      expect(summary.collections.map(({ comparison }) => comparison?.orderDiffers)).not.toContain(true)

      const found = await collectionsOf(api)
      expect([...found.keys()].sort()).toEqual(['cosine', 'empty', 'many', 'odd', 'was-used'])
      expect(found.get('many')?.metadata).toEqual(manyMetadata)
      expect(found.get('odd')?.metadata).toBeNull()
      expect(found.get('empty')?.metadata).toEqual(new Map([['kept', true]]))
      expect(summary.collections.flatMap(({ warnings }) => warnings.map(({ code }) => code))).toEqual([
        'DIMENSION_LOST',
      ])
      const against = await verifyAgainst({ ...backup, api, now: () => new Date(), progress: silentProgress })
      expect(against).toMatchObject({ status: 'equal', records: 2115, onlyOnServer: [], exitCode: 0 })
    })
  })

  test('an existing name is refused, named, and nothing is written', async () => {
    const backup = await backupOf(everything().slice(0, 3))
    await withApi(chroma().url, async (api) => {
      const database = await freshDatabase(api)
      await restoreBackup(restoreJob(backup, api, { targetDatabase: database, collections: ['odd'] }))
      const before = await collectionsOf(api, database)
      const job = restoreJob(backup, api, { targetDatabase: database })
      await expect(restoreBackup(job)).rejects.toMatchObject({
        code: 'RESTORE_TARGET_EXISTS',
        exitCode: 15,
        message: `default_tenant/${database}/odd exists already`,
        hint: expect.stringContaining('--mode'),
      })
      const plan = await planRestore(job)
      expect(plan.refusals.map(({ code }) => code)).toEqual(['RESTORE_TARGET_EXISTS'])
      const actions = plan.collections.map(({ target, action, existingRecords }) => [
        target.name,
        action,
        existingRecords,
      ])
      expect(actions.sort()).toEqual([
        ['empty', 'create', null],
        ['many', 'create', null],
        ['odd', 'refuse', 3],
      ])
      expect(await collectionsOf(api, database)).toEqual(before)
    })
  })
})
