import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { serverLookup } from '../../src/chroma/server-lookup.js'
import { SHADOW_KEY } from '../../src/chroma/shadow-marker.js'
import { silentProgress } from '../../src/core/progress.js'
import type { RestoreMode } from '../../src/transfer/restore-plan.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy, type ProxiedRequest } from '../helpers/fault-proxy.js'
import {
  backupOf,
  collectionsOf,
  freshDatabase,
  restoreJob,
  withApi,
  type TestBackup,
} from '../helpers/restores.js'

const chroma = chromaForSuite()
const OLD_RECORDS = 4
const IS_SOAK = process.env['CHROMA_OPS_TEST_STRIDE'] !== undefined
let stateDir: string
let backup: TestBackup

beforeAll(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-state-'))
  backup = await backupOf([
    collectionOf('first', [numberedBatch(30, 3, 'r'), numberedBatch(20, 3, 's')]),
    collectionOf('second', [numberedBatch(10)], { metadata: new Map([['hnsw:space', 'l2']]) }),
    collectionOf('third', []),
  ])
})
afterAll(() => rm(stateDir, { recursive: true, force: true }))

describe.each<[RestoreMode, boolean]>([
  ['create', true],
  ['replace', true],
  ['replace', false],
  ['missing', false],
  ['overwrite', false],
])('%s, killed at every request that changes something (journal: %s)', (mode, journal) => {
  test('the live names are as they were, and the next run finishes', async () => {
    // Each fails before the server has seen the request, and after it has acted on it. Only a journal can tell that from
    // a failure before the next request, and here it is asked to at every other one; `npm run test:soak` does both
    // in any case.
    for (let step = 0, finished = false; !finished; step++) {
      const moments =
        IS_SOAK || (journal && step % 2 === 0) ? (['before', 'after'] as const) : (['after'] as const)
      for (const when of moments) finished = await crashAndRerun({ mode, journal, step, when })
    }
  }, 300_000)
})

test('create without a journal: what the last request has finished is not known as own work', async () => {
  await withApi(chroma().url, async (api) => {
    const database = await freshDatabase(api)
    const changes = await countChanges(api, database)
    const second = await freshDatabase(api)
    await crash({ mode: 'create', journal: false, step: changes - 1, when: 'after' }, second)
    const job = restoreJob(backup, api, { targetDatabase: second })
    await expect(restoreBackup(job)).rejects.toMatchObject({ code: 'RESTORE_TARGET_EXISTS', exitCode: 15 })
    await crashedEarlier(api, changes)
  })
})

test.each([false, true])('a swap that was cut in two is finished; dropOld: %s', async (dropOld) => {
  await withApi(chroma().url, async (api) => {
    const database = await freshDatabase(api)
    await fillWithOld(api, database)
    const old = (await collectionsOf(api, database)).get('second')
    // Made, written, marked for the swap, the old one renamed: the next change is the last.
    await crash({ mode: 'replace', journal: false, step: 4, when: 'before' }, database, ['second'])
    expect((await collectionsOf(api, database)).has('second')).toBe(false)
    const options = { targetDatabase: database, mode: 'replace', collections: ['second'], dropOld } as const
    const [restored] = (await restoreBackup(restoreJob(backup, api, options))).collections
    const found = await collectionsOf(api, database)
    expect(found.get('second')?.id).toBe(restored?.id)
    expect([...found.values()].filter(({ id }) => id === old?.id).map(({ name }) => name)).toEqual(
      dropOld ? [] : [restored?.keptAs],
    )
    expect(restored?.written).toBe(0)
  })
})

interface Crash {
  readonly mode: RestoreMode
  readonly journal: boolean
  readonly step: number
  readonly when: 'before' | 'after'
}

/** Returns true when the run had ended before it could be killed. */
async function crashAndRerun(crashAt: Crash): Promise<boolean> {
  return withApi(chroma().url, async (api) => {
    const database = await freshDatabase(api)
    if (crashAt.mode !== 'create') await fillWithOld(api, database)
    const finished = await crash(crashAt, database)
    await expectLiveNames(api, database, crashAt)
    if (!finished) {
      const options = { targetDatabase: database, mode: crashAt.mode }
      const summary = await restoreBackup(
        restoreJob(backup, api, crashAt.journal ? { ...options, stateDir } : options),
      )
      if (crashAt.mode !== 'missing') expect(summary.equal ?? true).toBe(true)
    }
    await expectRestored(api, database, crashAt)
    return finished
  })
}

/** Runs a restore through a proxy that dies at the given change; for the restore that is like a kill. */
async function crash(
  { mode, journal, step, when }: Crash,
  database: string,
  collections: readonly string[] = [],
): Promise<boolean> {
  const line = { dead: false, changes: 0 }
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: (request) => {
      if (line.dead) return { kind: 'reset', when: 'before' }
      if (!isChange(request) || line.changes++ !== step) return undefined
      line.dead = true
      return { kind: 'reset', when }
    },
  })
  const transport = await connectTransport({ url: proxy.url, retry: { maxRetries: 0 } })
  try {
    const options = { targetDatabase: database, mode, collections }
    await restoreBackup(
      restoreJob(backup, new ChromaApi(transport), journal ? { ...options, stateDir } : options),
    )
    return true
  } catch (error) {
    if (!line.dead) throw error
    return false
  } finally {
    await transport.close()
    await proxy.close()
  }
}

function isChange({ method, path: url }: ProxiedRequest): boolean {
  if (method === 'PUT' || method === 'DELETE') return true
  return method === 'POST' && /\/(collections|add|delete)$/.test(url)
}

async function fillWithOld(api: ChromaApi, database: string): Promise<void> {
  const records = numberedBatch(OLD_RECORDS, 3, 'old')
  const first = await newCollection(api, { database, name: 'first', metadata: new Map([['old', true]]) })
  await api.add(first, records)
  await api.add(await newCollection(api, { database, name: 'second' }), records)
}

/** A live collection is the old one or, whole, the new one; in the middle of a swap both are beside its name. */
async function expectLiveNames(api: ChromaApi, database: string, { mode }: Crash): Promise<void> {
  if (mode === 'missing' || mode === 'overwrite') return
  const found = await collectionsOf(api, database)
  for (const [name, records] of [
    ['first', 50],
    ['second', 10],
  ] as const) {
    const live = found.get(name)
    if (live === undefined) {
      const keptAside = [...found.keys()].some((other) => other.startsWith(`${name}.replaced-`))
      expect(mode === 'create' || keptAside).toBe(true)
    } else {
      expect(live.metadata?.has(SHADOW_KEY) ?? false).toBe(false)
      expect(mode === 'create' ? [records] : [records, OLD_RECORDS]).toContain(await api.count(live))
    }
  }
}

async function expectRestored(api: ChromaApi, database: string, { mode, journal }: Crash): Promise<void> {
  const found = await collectionsOf(api, database)
  expect([...found.keys()].filter((name) => name.includes('.restore-'))).toEqual([])
  const against = await verifyAgainst({
    ...backup,
    api,
    targetDatabase: database,
    now: () => new Date(),
    progress: silentProgress,
  })
  if (mode === 'missing') {
    expect(against.collections.map(({ comparison }) => comparison?.missing)).toEqual([0, 0, 0])
    expect(against.collections.map(({ comparison }) => comparison?.extra)).toEqual([4, 4, 0])
    return
  }
  expect(against).toMatchObject({ status: 'equal' })
  const kept = [...found.values()].filter(({ name }) => name.includes('.replaced-'))
  if (mode !== 'replace') expect(kept).toEqual([])
  for (const name of mode === 'replace' ? ['first', 'second'] : []) {
    const old = kept.filter((collection) => collection.name.startsWith(`${name}.`))
    const ids: string[] = []
    for (const collection of old)
      for await (const piece of serverLookup(api, collection).listIds()) ids.push(piece[0] ?? '')
    // Without a journal a finished run is not known, and may have been done again.
    if (journal) expect(ids).toEqual(['old0'])
    else expect(ids).toContain('old0')
  }
}

async function countChanges(api: ChromaApi, database: string): Promise<number> {
  const proxy = await startFaultProxy({ target: chroma().url, decide: () => undefined })
  try {
    await withApi(proxy.url, async (proxied) =>
      restoreBackup(restoreJob(backup, proxied, { targetDatabase: database })),
    )
    return proxy.requests.filter((request) => isChange({ ...request, body: Buffer.alloc(0) })).length
  } finally {
    await proxy.close()
  }
}

/** One request earlier there is still something half-built, which tells. */
async function crashedEarlier(api: ChromaApi, changes: number): Promise<void> {
  const database = await freshDatabase(api)
  await crash({ mode: 'create', journal: false, step: changes - 2, when: 'after' }, database)
  const summary = await restoreBackup(restoreJob(backup, api, { targetDatabase: database }))
  expect(summary.collections.map(({ action }) => action)).toEqual([
    'already-restored',
    'already-restored',
    'create',
  ])
}
