import { createServer } from 'node:http'
import { once } from 'node:events'

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { SHADOW_KEY } from '../../src/chroma/shadow-marker.js'
import { parseCollectionPattern } from '../../src/core/collection-pattern.js'
import { healthExitCode } from '../../src/health/report.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { simpleCollection } from '../helpers/simple-collection.js'
import { healthOf, idsOf } from './health-of.js'

const chroma = chromaForSuite()
let api: ChromaApi
const cleanup: (() => Promise<void>)[] = []

beforeAll(async () => {
  api = new ChromaApi(await connectTransport({ url: chroma().url }))
  await simpleCollection(api, 'small', 5)
  await simpleCollection(api, 'large', 3_000, 'cosine')
  await simpleCollection(api, 'empty', 0, 'ip')
})

afterAll(async () => {
  await api.transport.close()
})

afterEach(async () => {
  for (const undo of cleanup.splice(0)) await undo()
})

const named = (...names: string[]) => ({
  tenants: ['default_tenant'],
  databases: null,
  selection: { include: names.map(parseCollectionPattern), exclude: [] },
})

describe('a healthy server', () => {
  test('is live after a heartbeat, and nothing else is asked', async () => {
    const report = await healthOf(chroma().url, { level: 'live' })
    expect(report).toMatchObject({
      status: 'ok',
      reachable: true,
      fingerprint: null,
      collections: [],
      findings: [],
    })
    expect(report.heartbeatMs).toBeGreaterThan(0)
  })

  test('is ready: each collection was counted, read, and queried with one of its own vectors', async () => {
    const report = await healthOf(chroma().url)
    expect(report).toMatchObject({
      status: 'ok',
      level: 'ready',
      url: chroma().url,
      databases: ['default_tenant/default_database'],
      fingerprint: { atLeast: '1.5.7' },
      findings: [],
    })
    expect(healthExitCode(report)).toBe(0)
    expect(report.pool?.created).toBeGreaterThan(0)
    const byName = new Map(report.collections.map((collection) => [collection.name, collection]))
    expect(byName.get('small')).toMatchObject({
      status: 'ok',
      records: 5,
      dimension: 3,
      space: 'l2',
      vectors: { checked: 5, lost: 0 },
      query: { hits: 5, expected: 5 },
    })
    expect(byName.get('large')).toMatchObject({
      space: 'cosine',
      records: 3_000,
      vectors: { checked: 24, lost: 0 },
    })
    expect(byName.get('large')?.latencyMs.query).toBeGreaterThan(0)
    expect(byName.get('empty')).toMatchObject({
      status: 'ok',
      records: 0,
      dimension: null,
      space: 'ip',
      query: null,
    })
  })

  test('has every vector read back at level deep', async () => {
    const seen: string[] = []
    const report = await healthOf(chroma().url, {
      level: 'deep',
      scope: named('large'),
      progress: { update: ({ task, done }) => seen.push(`${task} ${done}`), warn: () => {} },
    })
    expect(report.collections).toMatchObject([{ name: 'large', vectors: { checked: 3_000, lost: 0 } }])
    expect(seen.at(-1)).toBe('default_tenant/default_database/large 3000')
  })

  test('can be asked through an api that is in use, which stays open', async () => {
    const report = await healthOf('', { server: api, scope: named('small') })
    expect(report).toMatchObject({ status: 'ok', url: chroma().url })
    expect(await api.heartbeat()).toBeGreaterThan(0n)
  })

  test('is not changed by being looked at', async () => {
    const before = await api.listCollections('default_tenant', 'default_database')
    await healthOf(chroma().url, { level: 'deep' })
    expect(await api.listCollections('default_tenant', 'default_database')).toEqual(before)
  })

  test('with an unfinished restore says so and stays healthy', async () => {
    const shadow = await api.createCollection({
      tenant: 'default_tenant',
      database: 'default_database',
      name: 'small.restore-1234',
      metadata: new Map([[SHADOW_KEY, '1234']]),
      schema: null,
      configuration: null,
    })
    cleanup.push(() => api.deleteCollection(shadow))
    const report = await healthOf(chroma().url)
    expect(report.status).toBe('ok')
    expect(report.findings).toMatchObject([
      {
        id: 'RESTORE_UNFINISHED',
        severity: 'info',
        collection: 'default_tenant/default_database/small.restore-1234',
      },
    ])
    expect(report.collections.map(({ name }) => name)).not.toContain('small.restore-1234')
  })
})

describe('what cannot be used is critical', () => {
  test.each(['live', 'ready', 'deep'] as const)('nobody answers (%s)', async (level) => {
    const report = await healthOf('http://127.0.0.1:9', { level })
    expect(report).toMatchObject({ status: 'critical', reachable: false })
    expect(report.findings).toMatchObject([
      { id: 'SERVER_UNREACHABLE', evidence: expect.stringContaining('refused') },
    ])
    expect(healthExitCode(report)).toBe(4)
  })

  test('something else answers', async () => {
    const site = createServer((_request, answer) => answer.end('<html>welcome</html>')).listen(0, '127.0.0.1')
    await once(site, 'listening')
    cleanup.push(async () => void site.close())
    const address = site.address()
    const report = await healthOf(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`)
    expect(idsOf(report)).toEqual(['NOT_CHROMA'])
    // The catalogue knows nothing about it, so nobody is sent there.
    expect(report.findings[0]?.command).toBeNull()
    expect(report.status).toBe('critical')
  })

  test('a server that takes the connection and says nothing, within the deadline', async () => {
    const proxy = await stalling(() => true)
    const report = await healthOf(proxy.url, { level: 'live', deadlineMs: 800 })
    expect(report.status).toBe('critical')
    expect(report.durationMs).toBeLessThan(2_000)
  })

  test('a tenant, a database, a collection that is not there', async () => {
    const scope = named('small', 'gone')
    const tenant = await healthOf(chroma().url, { scope: { ...scope, tenants: ['nobody'] } })
    expect(tenant.findings[0]).toMatchObject({ id: 'TENANT_NOT_FOUND', severity: 'critical' })
    const database = await healthOf(chroma().url, { scope: { ...scope, databases: ['nothing'] } })
    expect(database.findings[0]).toMatchObject({ id: 'DATABASE_NOT_FOUND', severity: 'critical' })
    const collection = await healthOf(chroma().url, { scope })
    expect(collection.findings).toMatchObject([
      { id: 'COLLECTION_NOT_FOUND', evidence: 'no collection named gone' },
    ])
    expect(collection.collections).toMatchObject([{ name: 'small', status: 'ok' }])
  })
})

describe('answers that are not what they should be', () => {
  test('a query with too few records is degraded', async () => {
    const proxy = await answering('/query', '{"ids":[["id0"]],"distances":[[0.0]],"embeddings":null}')
    const report = await healthOf(proxy.url, { scope: named('small') })
    expect(report.findings).toMatchObject([
      { id: 'QUERY_INCOMPLETE', severity: 'warning', evidence: 'a query for 5 records found 1' },
    ])
    expect(report.status).toBe('degraded')
    expect(healthExitCode(report)).toBe(3)
  })

  test('a server that says it is not ready is critical', async () => {
    const proxy = await answering('/healthcheck', '{"is_executor_ready":false,"is_log_client_ready":true}')
    const report = await healthOf(proxy.url)
    expect(report.findings).toMatchObject([{ id: 'SERVER_NOT_READY', severity: 'critical' }])
  })

  test('a proxy that hides what the server tells about itself changes nothing', async () => {
    const proxy = await answering('/pre-flight-checks', '<html>', 403)
    const report = await healthOf(proxy.url)
    expect(report).toMatchObject({ status: 'ok', maxBatchSize: null })
    expect(idsOf(report)).toEqual(['SERVER_SILENT_ABOUT_ITSELF'])
  })
})

describe('one collection that blocks', () => {
  test('is named, and the others are looked at', async () => {
    const [large] = (await api.listCollections('default_tenant', 'default_database')).filter(
      ({ name }) => name === 'large',
    )
    const proxy = await stalling((path) => path.includes(`${large?.id}/count`))
    const report = await healthOf(proxy.url, { deadlineMs: 3_000 })
    expect(report.findings).toMatchObject([
      {
        id: 'COLLECTION_BLOCKED',
        severity: 'critical',
        collection: 'default_tenant/default_database/large',
        evidence: 'count: no answer within 1.5 s',
      },
    ])
    expect(statuses(report)).toEqual({ small: 'ok', large: 'critical', empty: 'ok' })
    expect(report.durationMs).toBeLessThan(3_000)
  })

  test('when many do, what was not looked at is said', async () => {
    for (let number = 0; number < 12; number++) {
      const definition = await simpleCollection(api, `more${number}`, 1)
      cleanup.push(() => api.deleteCollection(definition))
    }
    const proxy = await stalling((path) => path.endsWith('/count'))
    const report = await healthOf(proxy.url, { deadlineMs: 1_000 })
    expect(report.durationMs).toBeLessThan(2_500)
    expect(report.findings.at(-1)).toMatchObject({ id: 'DEADLINE_PASSED', severity: 'warning' })
    expect(Object.values(statuses(report))).toContain('unchecked')
    expect(report.collections).toHaveLength(15)
  })

  test('stops at once when told to', async () => {
    const proxy = await stalling((path) => path.endsWith('/count'))
    await expect(
      healthOf(proxy.url, { level: 'deep', signal: AbortSignal.timeout(300) }),
    ).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

/** A proxy before the server that never answers requests of these paths. */
async function stalling(concerns: (path: string) => boolean) {
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: ({ path }) => (concerns(path) ? { kind: 'stall' } : undefined),
  })
  cleanup.push(() => proxy.close())
  return proxy
}

/** A proxy before the server that answers one kind of request itself. */
async function answering(end: string, body: string, status = 200) {
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: ({ path }) => (path.endsWith(end) ? { kind: 'status', status, body } : undefined),
  })
  cleanup.push(() => proxy.close())
  return proxy
}

function statuses({ collections }: Awaited<ReturnType<typeof healthOf>>): Record<string, string> {
  return Object.fromEntries(collections.map(({ name, status }) => [name, status]))
}
