import { describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { isLedger } from '../../../src/core/own-collections.js'
import { complete } from '../../../src/migrations/run/complete.js'
import { abort, resume } from '../../../src/migrations/run/resume.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite, type MigrationDatabase } from '../../helpers/migration-runs.js'
import { BetweenRequests } from '../../helpers/swaps.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

const files = [migration('00001', { up: (m) => m.collection('docs').changeSpace('cosine').copyAndSwap() })]

test('a collection that has its name back by the time of the lock is not dropped', async () => {
  const database = await openDatabase()
  const source = await database.fill('docs')
  await database.up(files)
  // A way back that dies as soon as the old collection has its name again; its lock is gone with it.
  const died = new Error('died')
  const takeBack = async () => {
    let renames = 0
    const dying = new BetweenRequests(api().transport, async ({ method, path }) => {
      if (renames === 2) throw died
      if (method === 'PUT' && path.includes('/collections/')) renames++
    })
    await database.down(files, { api: new ChromaApi(dying) }).catch(() => {})
  }
  let requests = 0
  const transport = new BetweenRequests(api().transport, async ({ method, path }) => {
    if (method === 'POST' && path.endsWith('/collections') && requests++ === 0) {
      await takeBack()
      await database.api.deleteCollection(await lockOf())
    }
  })
  const lockOf = async () => {
    const lock = await database.find('chroma-ops.lock')
    if (lock === undefined) throw new Error('the run that was to die has given its lock back')
    return lock
  }
  const job = { ...database.job(files), api: new ChromaApi(transport), version: null, early: true }

  await complete({ ...job, apply: true, acceptDataLoss: false })

  expect(await database.find('docs')).toMatchObject({ id: source.id })
  expect(await database.texts('docs')).toHaveLength(5)
  expect((await resume(database.job(files))).error).toBeNull()
  expect(await database.names()).toEqual(['docs'])
})

describe('the list of what was copied goes when nobody needs it any more', () => {
  const ledgers = async (database: MigrationDatabase) =>
    (await api().listCollections(database.tenant, database.database)).filter(isLedger)
  const flags = { version: null, early: false, apply: true, acceptDataLoss: false }

  test('complete drops it behind a way back that has left records behind, and no other', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    await database.fill('other')
    const cut = [
      migration('00001', { up: async (m) => m.collection('docs').changeDimension(2) }),
      migration('00002', { up: async (m) => m.collection('other').changeSpace('cosine').copyAndSwap() }),
    ]
    await database.up(cut)
    const live = await database.find('docs')
    if (live !== undefined) await api().deleteRecords(live, ['docs-0'])
    await database.down(cut, { to: '00001' })
    await database.down(cut, { acceptDataLoss: true })
    await database.up(cut, { to: '00001' })
    await database.up(cut)
    const count = (await ledgers(database)).length
    await complete({ ...database.job(cut), ...flags })
    expect([count, (await ledgers(database)).length]).toEqual([2, 2])

    const again = await database.find('docs')
    if (again !== undefined) await api().deleteRecords(again, ['docs-0'])
    await database.down(cut)
    await database.down(cut, { acceptDataLoss: true })
    expect(await ledgers(database)).toHaveLength(1)
    expect(await complete({ ...database.job(cut), ...flags, apply: false })).toMatchObject({ applied: false })
    expect(await ledgers(database)).toHaveLength(1)
    await complete({ ...database.job(cut), ...flags })
    expect(await ledgers(database)).toEqual([])
  })

  test('abort drops it, though records stay behind', async () => {
    const database = await openDatabase()
    const source = await database.fill('docs')
    const half = migration('00001', {
      async up(m) {
        await m.collection('docs').changeSpace('cosine').copyAndSwap()
        await m.step('bad', () => Promise.reject(new Error('no')))
      },
    })
    await database.up([half], { skipBackup: true })
    const live = await database.find('docs')
    if (live === undefined) throw new Error('docs is gone')
    // The same record, on both sides: which of the two counts, nobody can tell.
    for (const [collection, text] of [
      [live, 'new'],
      [source, 'old'],
    ] as const)
      await api().upsert(collection, { ...oneRecord, documents: [text] })
    const { error, migrations } = await abort({ ...database.job([half]), dryRun: false })
    expect(error).toBeNull()
    expect(migrations[0]?.steps.flatMap(({ notes }) => notes).join()).toContain('1 record written since')
    expect(await ledgers(database)).toEqual([])
  })
})

const oneRecord = {
  ids: ['docs-0'],
  dimension: 3,
  embeddings: Float32Array.from([1, 1, 0]),
  missingEmbeddings: [],
  uris: [null],
  metadatas: [null],
}
