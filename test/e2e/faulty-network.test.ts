import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { randomFaults, startFaultProxy, type Fault, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { expectJsonFailure, quickRetries, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import {
  dropCollections,
  expectSameContents,
  serverContents,
  type ServerContents,
} from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` has more. */
const SEEDS = Array.from({ length: Number(process.env['CHROMA_OPS_TEST_SEEDS'] ?? 3) }, (_, seed) => seed + 1)

const everything: readonly Fault[] = [
  { kind: 'reset', when: 'before' },
  { kind: 'reset', when: 'after' },
  { kind: 'cut', bytes: 0, framing: 'length' },
  { kind: 'cut', bytes: 40, framing: 'length' },
  { kind: 'cut', bytes: 200, framing: 'chunked' },
  { kind: 'cut', bytes: 100, framing: 'close' },
  { kind: 'delay', ms: 30 },
  { kind: 'garble', part: 'body' },
  { kind: 'garble', part: 'head' },
  { kind: 'duplicate' },
  { kind: 'duplicate', afterMs: 20 },
  { kind: 'page' },
  { kind: 'stall' },
  { kind: 'status', status: 429, retryAfter: '0' },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503, retryAfter: '0' },
  { kind: 'status', status: 504 },
]
const patience = ['--request-timeout', '700ms', '--pool-acquire-timeout', '10s', ...quickRetries]

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let contents: ServerContents

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-network-'))
  const seeds = Array.from({ length: 6 }, (_, number) => ({
    ...home,
    name: `collection-${number}`,
    records: sampleBatch({ rows: number * 40, dimension: 8, first: number * 1000 }),
  }))
  await withApi(chroma().url, (api) => seedServer(api, seeds))
  contents = await serverContents(chroma().url)
})

afterAll(() => rm(folder, { recursive: true }))

describe.each(SEEDS)('a network that spoils every sixth request (seed %d)', (seed) => {
  test('a backup and a restore through it are equal to the source', async () => {
    const repo = path.join(folder, `seed-${seed}`)
    const decide = randomFaults({ seed, probability: 0.17, faults: everything })
    const proxy = await startFaultProxy({ target: chroma().url, decide })
    try {
      await untilThrough(() => backUpThrough(proxy.url, repo))
      expect(proxy.faults).toBeGreaterThan(0)
      await expectSound(repo)
      await expectEqual(chroma().url, repo)
      const faultsBefore = proxy.faults
      await dropCollections(chroma().url)
      await untilThrough(() => restoreThrough(proxy.url, repo))
      expect(proxy.faults).toBeGreaterThan(faultsBefore)
      expectSameContents(await serverContents(chroma().url), contents)
    } finally {
      await proxy.close()
    }
  })
})

test('a network that spoils nearly everything: it fails, or is equal, and never lies', async () => {
  const repo = path.join(folder, 'terrible')
  await backUp(chroma().url, repo)
  const kept = await listedBackups(repo)
  for (const seed of SEEDS) {
    const decide = randomFaults({
      seed,
      probability: 0.75,
      faults: everything.filter(({ kind }) => kind !== 'stall'),
    })
    const proxy = await startFaultProxy({ target: chroma().url, decide })
    try {
      const args = [
        'backup',
        '--repo',
        repo,
        '--url',
        proxy.url,
        '--series',
        `s${seed}`,
        '--max-retries',
        '2',
      ]
      const run = await runCli([...args, '--retry-base-delay', '1ms', '--json'])
      if (run.exitCode === 0) await expectEqual(chroma().url, repo, '--series', `s${seed}`)
      else {
        expect([12, 16]).toContain(run.exitCode)
        expect(documentOf(run)).toMatchObject({ error: { exitCode: run.exitCode } })
        expect(await listedBackups(repo)).toEqual(kept)
      }
    } finally {
      await proxy.close()
    }
  }
})

test('an answer that belongs to another request is noticed, and no record is missed', async () => {
  const repo = path.join(folder, 'mixed-up')
  const bodies = [
    '{"ids":[],"embeddings":[],"documents":[],"uris":[],"metadatas":[],"include":["embeddings"]}',
    '{"ids":["x"],"embeddings":[[1]],"documents":[null],"uris":[null],"metadatas":[null],"include":[]}',
    '{"nanosecond heartbeat":1}',
    '[]',
    '{}',
    '17',
  ]
  const isRecords = ({ body }: ProxiedRequest) => body.includes('embeddings')
  let reads = 0
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: (request) => {
      const body = isRecords(request) ? bodies[reads++] : undefined
      return body === undefined ? undefined : { kind: 'status', status: 200, body }
    },
  })
  try {
    await backUp(proxy.url, repo, ...quickRetries)
    expect(reads).toBeGreaterThan(bodies.length)
    await expectEqual(chroma().url, repo)
  } finally {
    await proxy.close()
  }
})

test('a definition, a count or a list that belongs to another request is asked for again', async () => {
  const repo = path.join(folder, 'mixed-up-definitions')
  const strange = ['{"name":"another","id":"1"}', '{}', '[1]', 'null', '"text"', '[{"name":1}]']
  const spoilt = new Map<string, number>()
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: async ({ method, path: url }) => {
      if (method !== 'GET' || !url.includes('/tenants/')) return undefined
      const times = spoilt.get(url) ?? 0
      spoilt.set(url, times + 1)
      if (times > 1) return undefined
      // Of another collection, or of nothing at all.
      const other = url.replace(/collection-\d$/, (name) =>
        name === 'collection-1' ? 'collection-2' : 'collection-1',
      )
      const body = times === 0 && other !== url ? await textAt(other) : strange[spoilt.size % strange.length]
      return { kind: 'status', status: 200, body: body ?? '' }
    },
  })
  try {
    await backUp(proxy.url, repo, ...quickRetries)
    expect(spoilt.size).toBeGreaterThan(10)
    await expectEqual(chroma().url, repo)
    await dropCollections(chroma().url)
    spoilt.clear()
    await runJson(['restore', 'latest', '--repo', repo, '--url', proxy.url, ...quickRetries])
    expect(spoilt.size).toBeGreaterThan(5)
    expectSameContents(await serverContents(chroma().url), contents)
  } finally {
    await proxy.close()
  }
})

test('records that a server has taken only in words: 13, no name, and the next run finishes', async () => {
  const repo = path.join(folder, 'words')
  await backUp(chroma().url, repo)
  await dropCollections(chroma().url)
  let writes = 0
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: ({ path: url }) =>
      url.endsWith('/add') && ++writes === 2 ? { kind: 'status', status: 201, body: '{}' } : undefined,
  })
  const args = ['restore', 'latest', '--repo', repo, '--url']
  try {
    await expectJsonFailure([...args, proxy.url], {
      exitCode: 13,
      code: 'RESTORE_DIFFERS',
      message: 'are missing',
    })
    const names = [...(await serverContents(chroma().url)).keys()]
    expect(names.filter((name) => !name.includes('.restore-'))).toEqual([])
    await runJson([...args, chroma().url])
    expectSameContents(await serverContents(chroma().url), contents)
  } finally {
    await proxy.close()
  }
})

async function textAt(url: string): Promise<string> {
  return (await fetch(`${chroma().url}${url}`)).text()
}

const backUpThrough = (url: string, repo: string) =>
  runCli(['backup', '--url', url, '--repo', repo, '--init', '--json', ...patience])

const restoreThrough = (url: string, repo: string) =>
  runCli(['restore', 'latest', '--url', url, '--repo', repo, '--json', ...patience])

/**
 * First contact is meant to be impatient, and a web page there is taken at its word. An answer that comes twice
 * may also be taken for that of a write which never arrived: the comparison finds it, and the next run finishes.
 */
async function untilThrough(run: () => ReturnType<typeof runCli>): Promise<void> {
  for (let time = 0; time < 5; time++) {
    const ended = await run()
    const document = documentOf(ended)
    if (ended.exitCode === 0) return
    const error = JSON.stringify(document)
    if (!/heartbeat|NOT_CHROMA|RESTORE_DIFFERS.* are missing/.test(error)) throw new Error(error)
  }
  throw new Error('it never came through')
}
