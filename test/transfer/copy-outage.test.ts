import { afterEach, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { isShadow } from '../../src/chroma/shadow-marker.js'
import { copyCollections } from '../../src/transfer/copy-collections.js'
import { planCopy } from '../../src/transfer/plan-copy.js'
import { apiThroughProxy } from '../helpers/api-for-suite.js'
import { numberedBatch, recordedProgress } from '../helpers/backups.js'
import { seedCollection, twoServersForSuite } from '../helpers/copies.js'
import { randomFaults, type Fault, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { loseVectors } from '../helpers/lose-vectors.js'
import { startQuotaProxy } from '../helpers/quota-proxy.js'
import { sampleBatch } from '../helpers/records.js'
import { collectionsOf } from '../helpers/restores.js'
import { expectSameContents } from '../helpers/server-contents.js'

const { chromas, from, to, jobOf, copy, database, contents } = twoServersForSuite()
const cleanup: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const undo of cleanup.splice(0)) await undo()
})

async function through(
  side: 0 | 1,
  decide: (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>,
): Promise<ChromaApi> {
  const proxied = await apiThroughProxy(chromas[side]().url, decide)
  cleanup.push(() => proxied.close())
  return proxied.api
}

const isAdd = ({ path }: ProxiedRequest) => path.endsWith('/add')

/** Long documents, so that several requests are needed. */
async function docs(rows = 60): Promise<string> {
  const name = await database()
  const batch = numberedBatch(rows)
  const documents = batch.ids.map((id) => `${id} `.repeat(20_000))
  await seedCollection(from(), { database: name, name: 'docs' }, { ...batch, documents })
  return name
}

async function expectSame(name: string): Promise<void> {
  const { source, target } = await contents(name)
  expectSameContents(target, source)
}

test('answers that are lost, cut or late, on both sides: the result is the same', async () => {
  const name = await docs(40)
  const faults: Fault[] = [
    { kind: 'reset', when: 'after' },
    { kind: 'reset', when: 'before' },
    { kind: 'status', status: 429, retryAfter: '0' },
    { kind: 'status', status: 503 },
    { kind: 'cut', bytes: 1, framing: 'length' },
    { kind: 'garble', part: 'body' },
  ]
  const only = ({ path }: ProxiedRequest) => !path.endsWith('/heartbeat')
  const job = {
    ...jobOf(name),
    from: await through(0, randomFaults({ seed: 1, probability: 0.3, faults, only })),
    to: await through(1, randomFaults({ seed: 2, probability: 0.3, faults, only })),
  }
  expect(await copyCollections(job)).toMatchObject({ equal: true, exitCode: 0 })
  await expectSame(name)
})

test('the target server is killed in the middle, and comes back: the copy goes on by itself', async () => {
  const name = await docs()
  let adds = 0
  const api = await through(1, async (request) => {
    if (!isAdd(request) || ++adds !== 2) return undefined
    await chromas[1]().kill()
    await chromas[1]().restart()
    return { kind: 'reset', when: 'before' }
  })
  expect(await copyCollections({ ...jobOf(name), to: api })).toMatchObject({ equal: true, written: 60 })
  expect(adds).toBeGreaterThan(2)
  await expectSame(name)
})

test('stopped by a signal: no name is taken, it is told what is left, and the next run writes only the rest', async () => {
  const name = await docs()
  const stop = new AbortController()
  let adds = 0
  const api = await through(1, (request) => {
    if (isAdd(request) && ++adds === 2) stop.abort()
    return undefined
  })
  const progress = recordedProgress()
  await expect(
    copyCollections({ ...jobOf(name), to: api, signal: stop.signal, progress }),
  ).rejects.toMatchObject({ exitCode: 130 })
  expect(progress.warnings.map(({ code }) => code)).toEqual(['COPY_UNFINISHED'])
  const [left] = [...(await collectionsOf(to(), name)).values()]
  expect(left !== undefined && isShadow(left)).toBe(true)
  const summary = await copyCollections({ ...jobOf(name), to: api })
  expect(summary).toMatchObject({ equal: true, records: 60 })
  expect(summary.written).toBeLessThan(60)
  await expectSame(name)
})

test('a shadow that is no beginning of the source any more is kept, and made equal', async () => {
  const name = await docs()
  const stop = new AbortController()
  let adds = 0
  const api = await through(1, (request) => {
    if (isAdd(request) && ++adds === 3) stop.abort()
    return undefined
  })
  await expect(copyCollections({ ...jobOf(name), to: api, signal: stop.signal })).rejects.toThrow()
  const source = (await collectionsOf(from(), name)).get('docs')
  if (source === undefined) throw new Error('no source')
  await from().deleteRecords(source, ['r1'])
  const summary = await copyCollections({ ...jobOf(name), to: api })
  expect(summary).toMatchObject({ equal: true, records: 59, deleted: 1 })
  expect(summary.written).toBeLessThan(59)
})

test('--resume takes collections for copied that equal the source, and no others', async () => {
  const name = await database()
  await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(20))
  await copy(name)
  await expect(copy(name)).rejects.toMatchObject({ code: 'COPY_TARGET_EXISTS' })
  await seedCollection(from(), { database: name, name: 'more' }, numberedBatch(10))
  const { collections } = await copy(name, { resume: true })
  expect(collections.map(({ action }) => action)).toEqual(['already-copied', 'create'])
  const target = (await collectionsOf(to(), name)).get('docs')
  if (target === undefined) throw new Error('no target')
  await to().deleteRecords(target, ['r3'])
  await expect(copy(name, { resume: true })).rejects.toMatchObject({ code: 'COPY_TARGET_EXISTS' })
})

describe('Chroma Cloud', () => {
  test('is read and written within its quotas of records, and its names stay short enough', async () => {
    const name = await database()
    const long = 'n'.repeat(128)
    await seedCollection(from(), { database: name, name: long }, numberedBatch(200))
    const limited = async (side: 0 | 1) => {
      const proxy = await startQuotaProxy(chromas[side]().url, 30)
      const transport = await connectTransport({ url: proxy.url })
      cleanup.push(async () => {
        await transport.close()
        await proxy.close()
      })
      return { proxy, api: new ChromaApi(transport, { mostPerRequest: 30 }) }
    }
    const [source, target] = [await limited(0), await limited(1)]
    const names = new Set<string>()
    const progress = { ...recordedProgress(), warn: () => {} }
    const stop = new AbortController()
    const watched = {
      ...progress,
      update: () => {
        stop.abort()
      },
    }
    const job = { ...jobOf(name), from: source.api, to: target.api }
    await expect(copyCollections({ ...job, progress: watched, signal: stop.signal })).rejects.toThrow()
    for (const each of (await collectionsOf(to(), name)).keys()) names.add(each)
    expect([...names].filter((each) => each.length > 128)).toEqual([])
    expect(await copyCollections(job)).toMatchObject({ equal: true, records: 200 })
    expect(await copyCollections({ ...job, mode: 'overwrite' })).toMatchObject({ equal: true, written: 0 })
    expect(await copyCollections({ ...job, mode: 'replace' })).toMatchObject({ equal: true })
    for (const each of (await collectionsOf(to(), name)).keys()) expect(each.length).toBeLessThanOrEqual(128)
    expect([source.proxy.faults, target.proxy.faults]).toEqual([0, 0])
    const plan = await planCopy({ ...job, rename: new Map([[long, `${long}-1`]]) })
    expect(plan).toMatchObject({ limits: 'cloud', fits: false, exitCode: 3 })
    expect(plan.collections[0]?.limits.findings).toMatchObject([{ code: 'NAME_TOO_LONG', ids: [] }])
  })
})

test('records whose vectors are lost stay out, are counted, and leave what the target has', async () => {
  const name = await database()
  const configuration = new Map([
    [
      'hnsw',
      new Map<string, string | bigint>([
        ['space', 'l2'],
        ['sync_threshold', 100n],
      ]),
    ],
  ])
  const source = await seedCollection(
    from(),
    { database: name, name: 'docs' },
    sampleBatch({ rows: 200, dimension: 4 }),
    { configuration },
  )
  await copy(name, { targetDatabase: `whole-${name}` })
  await loseVectors(chromas[0](), source)
  const lossy = await copy(name)
  expect(lossy).toMatchObject({ exitCode: 4, collections: [{ withoutVector: 199, records: 1, equal: true }] })
  expect(lossy.collections[0]?.warnings.map(({ code }) => code)).toContain('VECTORS_LOST')
  expect(await planCopy(jobOf(name, { mode: 'overwrite' }))).toMatchObject({
    collections: [{ withoutVector: 199 }],
  })
  expect(
    await copy(name, { targetDatabase: `whole-${name}`, mode: 'overwrite', allowShrink: true }),
  ).toMatchObject({ exitCode: 4, deleted: 0 })
  const whole = (await collectionsOf(to(), `whole-${name}`)).get('docs')
  expect(whole && (await to().count(whole))).toBe(200)
})
