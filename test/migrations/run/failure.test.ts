import { describe, expect, test } from '@jest/globals'

import { sleep } from '../../../src/core/abort.js'
import { ExitCode } from '../../../src/core/exit-code.js'
import { abort, resume } from '../../../src/migrations/run/resume.js'
import { readLock, unlock } from '../../../src/migrations/state/unlock.js'
import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { migration, migrationsForSuite } from '../../helpers/migration-runs.js'

const TTL_MS = 5_000

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const openDatabase = migrationsForSuite(api, chroma)

describe('a step that fails', () => {
  test('what was done stays and is not done again; the mended file goes on; then nothing reminds of it', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    let [firsts, broken] = [0, true]
    const three = migration('00001', {
      async up(m) {
        await m.step('first', () => {
          firsts++
        })
        await m.step('second', () => {
          if (broken) throw new Error('the queue is down')
        })
        await m.collection('docs').rename('pages')
      },
    })
    const failed = await database.up([three], { skipBackup: true })
    expect(failed.error).toMatchObject({
      exitCode: ExitCode.failed,
      message: expect.stringContaining('migration 00001_test failed at step 2 ("step "second""): '),
      hint: expect.stringContaining('"chroma-ops migrate up" goes on where it stopped'),
    })
    expect(failed.migrations[0]?.steps.map(({ state }) => state)).toEqual(['done', 'failed'])
    expect(await database.states([three])).toEqual(['00001 failed'])
    expect((await database.status([three])).findings).toMatchObject([{ code: 'MIGRATION_FAILED' }])
    expect(await database.names()).toEqual(['docs'])

    broken = false
    const mended = await database.up([{ ...three, checksum: 'b1:mended' }], { skipBackup: true })
    expect(mended.error).toBeNull()
    expect(mended.migrations[0]).toMatchObject({ resumed: true, status: 'success' })
    expect(firsts).toBe(1)
    expect(await database.names()).toEqual(['pages'])
    expect(await database.status([{ ...three, checksum: 'b1:mended' }])).toMatchObject({ findings: [] })
  })

  test('resume allows nothing that has come into the file since', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const down = () => {}
    const broken = migration('00001', {
      async up(m) {
        await m.collection('one').create()
        await m.step('code', () => Promise.reject(new Error('broken')), { down })
      },
    })
    expect((await database.up([broken])).error).not.toBeNull()
    const edited = migration('00001', {
      async up(m) {
        await m.collection('one').create()
        await m.step('code', () => {}, { down })
        await m.collection('docs').drop()
      },
    })
    await expect(resume(database.job([edited]))).rejects.toMatchObject({ code: 'DESTRUCTIVE' })
    expect(await database.names()).toEqual(['docs', 'one'])
  })

  test('those behind it are not executed', async () => {
    const database = await openDatabase()
    const bad = migration('00001', {
      up: (m) =>
        m.step('bad', () => {
          throw new Error('no')
        }),
    })
    const next = migration('00002', { up: (m) => m.collection('two').create() })
    const { migrations } = await database.up([bad, next], { skipBackup: true })
    expect(migrations.map(({ status }) => status)).toEqual(['error', 'notExecuted'])
    expect(await database.names()).toEqual([])
  })

  test('a finished step that reads otherwise now is refused, and nothing changes', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const rename = (to: string, fails: boolean) =>
      migration('00001', {
        async up(m) {
          await m.collection('docs').rename(to)
          if (fails) await m.step('bad', () => Promise.reject(new Error('no')))
        },
      })
    await database.up([rename('pages', true)], { skipBackup: true })
    await expect(database.up([rename('sites', false)], { skipBackup: true })).rejects.toMatchObject({
      code: 'HISTORY_CHANGED',
      exitCode: ExitCode.undecided,
      hint: expect.stringContaining('chroma-ops migrate abort'),
    })
    expect(await database.names()).toEqual(['pages'])
    expect(await database.states([rename('pages', true)])).toEqual(['00001 failed'])
  })

  test('a failure that the migration has caught still fails it', async () => {
    const database = await openDatabase()
    const careless = migration('00001', {
      async up(m) {
        try {
          await m.step('bad', () => Promise.reject(new Error('swallowed')))
        } catch {
          // As if nothing had happened.
        }
      },
    })
    const { error } = await database.up([careless], { skipBackup: true })
    expect(error?.message).toContain('swallowed')
  })

  test('operations that nobody awaits are told before anything is done', async () => {
    const database = await openDatabase()
    await database.fill('docs')
    const floating = migration('00001', {
      up(m) {
        void m.collection('docs').rename('pages')
        m.collection('docs').transform((record) => record)
      },
    })
    await expect(database.up([floating])).rejects.toMatchObject({
      code: 'MIGRATION_MISUSED',
      message: expect.stringContaining('docs rename → pages, docs transform: written down and not awaited'),
    })
    expect(await database.names()).toEqual(['docs'])
    expect(await database.states([floating])).toEqual(['00001 pending'])
  })
})

describe('a run that is stopped', () => {
  test('stops at a batch, is recorded as interrupted, and the next run goes on', async () => {
    const database = await openDatabase()
    await database.fill('docs', 40)
    const stop = new AbortController()
    let stopping = false
    const slow = migration('00001', {
      async up(m) {
        await m.collection('docs').transform((record) => {
          if (stopping) stop.abort()
          return { ...record, document: 'changed' }
        })
      },
    })
    const job = database.upJob([slow], {
      signal: stop.signal,
      events: { step: ({ state }) => void (stopping = state === 'started') },
    })
    const stopped = await database.up([slow], job)
    expect(stopped.error).toMatchObject({ exitCode: ExitCode.interrupted })
    expect(await database.states([slow])).toEqual(['00001 interrupted'])
    expect((await database.texts('docs'))[0]).toBe('docs-0 text 0')

    stopping = false
    const resumed = await resume(database.job([slow]))
    expect(resumed.error).toBeNull()
    expect(await database.states([slow])).toEqual(['00001 applied'])
    expect(new Set((await database.texts('docs')).map((text) => text.split(' ')[1]))).toEqual(
      new Set(['changed']),
    )
  })

  test('code that waits for ever does not keep it from stopping', async () => {
    const database = await openDatabase()
    const stop = new AbortController()
    const endless = migration('00001', { up: (m) => m.step('endless', () => new Promise(() => {})) })
    const result = await database.up([endless], {
      skipBackup: true,
      signal: stop.signal,
      events: { step: () => stop.abort() },
    })
    expect(result.error).toMatchObject({ exitCode: ExitCode.interrupted })
  })

  test('a lock that was lost: nothing more is written, and the next run goes on', async () => {
    const database = await openDatabase()
    const { tenant, database: name } = database
    let stolen = false
    const robbed = migration('00001', {
      async up(m) {
        await m.collection('one').create()
        await m.step('robbed', async () => {
          const holder = await readLock({ api: api(), tenant, database: name })
          if (holder !== null && !stolen) await unlock({ api: api(), tenant, database: name }, holder.id)
          stolen = true
          // Older than that, the lock is asked for before a write.
          await sleep(TTL_MS / 2)
        })
        await m.collection('two').create()
      },
    })
    const lost: string[] = []
    const result = await database.up([robbed], {
      skipBackup: true,
      lock: { ttlMs: TTL_MS, waitMs: 0 },
      events: { lockLost: ({ message }) => void lost.push(message) },
    })
    expect(result.error).toMatchObject({ code: 'MIGRATION_LOCK_LOST', exitCode: ExitCode.locked })
    expect(lost).toHaveLength(1)
    expect(await database.names()).toEqual(['one'])
    expect(await database.states([robbed])).toEqual(['00001 interrupted'])
    expect((await database.up([robbed], { skipBackup: true })).error).toBeNull()
    expect(await database.names()).toEqual(['one', 'two'])
  })

  test('a down that was stopped is finished by resume; up refuses until then', async () => {
    const database = await openDatabase()
    const two = migration('00001', {
      async up(m) {
        await m.collection('one').create()
        await m.collection('two').create()
      },
    })
    await database.up([two])
    const stop = new AbortController()
    const stopped = await database.down([two], {
      signal: stop.signal,
      events: { step: ({ state }) => (state === 'done' ? stop.abort() : undefined) },
    })
    expect(stopped.error).toMatchObject({ exitCode: ExitCode.interrupted })
    expect(await database.names()).toEqual(['one'])
    await expect(database.up([two])).rejects.toMatchObject({
      code: 'MIGRATION_INTERRUPTED',
      exitCode: ExitCode.undecided,
      hint: expect.stringContaining('chroma-ops migrate resume'),
    })
    expect((await resume(database.job([two]))).error).toBeNull()
    expect(await database.names()).toEqual([])
    expect(await database.states([two])).toEqual(['00001 reverted'])
  })

  test('what another run is just doing is waited for, and not taken for a decision that is missing', async () => {
    const database = await openDatabase()
    const seen: unknown[] = []
    const note = (work: Promise<unknown>) => work.catch((error: unknown) => seen.push(error))
    const busy = migration('00001', {
      up: (m) =>
        m.step(
          'slow',
          async () => {
            await note(database.down([busy]))
          },
          {
            down: async () => {
              await note(database.up([busy]))
            },
          },
        ),
    })
    await database.up([busy])
    await database.down([busy])
    const locked = { code: 'MIGRATION_LOCKED', exitCode: ExitCode.locked }
    expect(seen).toMatchObject([locked, locked])
  })

  test('abort takes back what was done, in reverse', async () => {
    const database = await openDatabase()
    const { id } = await database.fill('docs')
    const half = migration('00001', {
      async up(m) {
        await m.collection('docs').rename('pages')
        await m.collection('pages').transform((record) => ({ ...record, document: 'changed' }))
        await m.collection('extra').create()
        await m.step('bad', () => Promise.reject(new Error('no')))
      },
    })
    await database.up([half], { skipBackup: true })
    const aborted = await abort({ ...database.job([half]), dryRun: false })
    expect(aborted.error).toBeNull()
    expect(await database.find('docs')).toMatchObject({ id })
    expect(await database.texts('docs')).toEqual([0, 1, 2, 3, 4].map((at) => `docs-${at} text ${at}`))
    expect((await database.names()).filter((name) => name === 'extra' || name === 'pages')).toEqual([])
    expect(await database.states([half])).toEqual(['00001 reverted'])
    expect((await database.status([half])).findings).toEqual([])
  })
})
