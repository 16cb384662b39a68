import { expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { plan } from '../../../src/migrations/plan/plan.js'
import { resume } from '../../../src/migrations/run/resume.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { DyingTransport, isWrite } from '../../helpers/dying-transport.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

function watched() {
  const transport = new DyingTransport(api().transport, null)
  return { transport, changes: { api: new ChromaApi(transport) } }
}

test('a dry resume, and a plan, tell what is done and what would go on, and write nothing', async () => {
  const database = await openDatabase()
  await database.fill('docs', 20)
  let broken = false
  const half = migration('00001', {
    async up(m) {
      await m.collection('docs').setMetadata((previous) => ({ ...previous, owner: 'search' }))
      await m.collection('docs').transform((record) => {
        if (broken) throw new Error('broken')
        return { ...record, document: 'changed' }
      })
      await m.collection('docs').rename('pages')
    },
  })
  const next = migration('00002', { up: (m) => m.collection('more').create() })
  const failed = await database.up([half, next], { events: { step: () => (broken = true) } })
  expect(failed.error).not.toBeNull()
  broken = false

  const { transport, changes } = watched()
  const job = database.job([half, next], changes)
  const dry = await resume({ ...job, dryRun: true })
  expect(dry).toMatchObject({ action: 'resume', error: null })
  expect(dry.migrations).toMatchObject([{ version: '00001', status: 'planned', resumed: true }])
  expect(dry.migrations[0]?.steps.map(({ title, state }) => [title, state])).toEqual([
    ['docs setMetadata', 'earlier'],
    ['docs copyAndSwap', 'planned'],
    ['docs rename → pages', 'planned'],
  ])
  const left = expect.stringMatching(/^begun by an earlier run, at COPYING: 0 records are in docs\.migrate-/)
  expect(dry.migrations[0]?.steps[1]?.notes).toContainEqual(left)

  const flags = { limit: null, to: null, execOrder: 'linear', skipBackup: false, adopt: false } as const
  const planned = await plan({ ...job, ...flags, sample: 10 })
  expect(planned.migrations.map(({ action }) => action)).toEqual(['resume', 'apply'])
  expect(planned.migrations[0]?.steps[1]?.notes).toContainEqual(left)
  expect(transport.requests.filter(isWrite)).toEqual([])

  expect((await resume(database.job([half, next]))).error).toBeNull()
  expect(await database.states([half, next])).toEqual(['00001 applied', '00002 pending'])
})

test('of a way back, too', async () => {
  const database = await openDatabase()
  const two = migration('00001', {
    async up(m) {
      await m.collection('one').create()
      await m.collection('two').create()
    },
  })
  await database.up([two])
  const stop = new AbortController()
  const events = {
    step: ({ state }: { readonly state: string }) => (state === 'done' ? stop.abort() : undefined),
  }
  await database.down([two], { signal: stop.signal, events })

  const { transport, changes } = watched()
  const dry = await resume({ ...database.job([two], changes), dryRun: true })
  expect(dry.migrations).toMatchObject([{ direction: 'down', status: 'planned', resumed: true }])
  expect(dry.migrations[0]?.steps.map(({ title }) => title)).toEqual(['undo one create'])
  expect(transport.requests.filter(isWrite)).toEqual([])
  expect(await database.names()).toEqual(['one'])
})
