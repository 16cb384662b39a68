import { expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { complete } from '../../../src/migrations/run/complete.js'
import { resume } from '../../../src/migrations/run/resume.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'
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
