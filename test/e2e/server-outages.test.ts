import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy, type Fault, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { expectJsonFailure, quickRetries, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import {
  dropCollections,
  expectSameContents,
  serverContents,
  type ServerContents,
} from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let repo: string
let contents: ServerContents
let backups: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-outages-'))
  repo = path.join(folder, 'backups')
  await withApi(chroma().url, (api) =>
    seedServer(api, [
      { ...home, name: 'docs', records: sampleBatch({ rows: 700, dimension: 16 }) },
      { ...home, name: 'images', records: sampleBatch({ rows: 300, dimension: 24, first: 2000 }) },
      { ...home, name: 'none', records: sampleBatch({ rows: 0, dimension: 0 }) },
    ]),
  )
  contents = await serverContents(chroma().url)
  await backUp(chroma().url, repo, '--series', 'main')
})

afterAll(() => rm(folder, { recursive: true }))

beforeEach(async () => {
  backups = await listedBackups(repo)
})

/** The second request that reads records. */
function midBackup(): (request: ProxiedRequest) => boolean {
  let reads = 0
  return ({ path: url }) => url.endsWith('/get') && ++reads === 2
}

/** The second request that writes records. */
function midRestore(): (request: ProxiedRequest) => boolean {
  let writes = 0
  return ({ path: url }) => url.endsWith('/add') && ++writes === 2
}

/** Calls `work` with the address of a proxy that does something once, before the matching request. */
async function withTrouble(
  matches: (request: ProxiedRequest) => boolean,
  trouble: () => Fault | undefined | Promise<Fault | undefined>,
  work: (url: string) => Promise<void>,
): Promise<void> {
  let troubles = 0
  const decide = async (request: ProxiedRequest) => {
    if (troubles > 0 || !matches(request)) return undefined
    troubles++
    return trouble()
  }
  const proxy = await startFaultProxy({ target: chroma().url, decide })
  try {
    await work(proxy.url)
    expect(troubles).toBe(1)
  } finally {
    await proxy.close()
  }
}

const die = async (): Promise<undefined> => {
  await chroma().kill()
}
const restart = async (): Promise<undefined> => {
  await chroma().kill()
  void chroma().restart()
}
const isAwayForGood = ['--max-retries', '2', '--retry-base-delay', '1ms']

describe('in the middle of a backup, a server', () => {
  test('dies: 12, no new backup, no leftovers, and the old one is sound', async () => {
    await withTrouble(midBackup(), die, async (url) => {
      await expectJsonFailure(
        ['backup', '--url', url, '--repo', repo, '--series', 'dead', ...isAwayForGood],
        { exitCode: 12, code: 'RETRY_EXHAUSTED', message: '3 attempts' },
      )
    })
    expect(await listedBackups(repo)).toEqual(backups)
    expect(await readdir(path.join(repo, 'objects'))).toEqual(backups)
    await expectSound(repo)
    await chroma().restart()
    await backUp(chroma().url, repo, '--series', 'dead')
    await expectEqual(chroma().url, repo, '--series', 'dead')
  })

  test('restarts: it is waited for, and told about', async () => {
    await withTrouble(midBackup(), restart, async (url) => {
      const run = await runCli([
        'backup',
        '--url',
        url,
        '--repo',
        repo,
        '--series',
        'patient',
        ...quickRetries,
      ])
      expect(run.exitCode).toBe(0)
      expect(run.stderr).toMatch(/again in/)
    })
    await expectEqual(chroma().url, repo, '--series', 'patient')
    expectSameContents(await serverContents(chroma().url), contents)
  })

  test('asks for a pause with 429 and Retry-After: it gets the pause', async () => {
    const busy = (): Fault => ({
      kind: 'status',
      status: 429,
      retryAfter: '1',
      body: '{"error":"slow down"}',
    })
    await withTrouble(midBackup(), busy, async (url) => {
      const started = performance.now()
      await backUp(url, repo, '--series', 'polite', '--retry-base-delay', '1ms')
      expect(performance.now() - started).toBeGreaterThan(1_000)
    })
    await expectEqual(chroma().url, repo, '--series', 'polite')
  })

  test('asks for a pause that is longer than anybody would wait: 12 at once', async () => {
    const busy = (): Fault => ({ kind: 'status', status: 429, retryAfter: '3600' })
    await withTrouble(midBackup(), busy, async (url) => {
      await expectJsonFailure(['backup', '--url', url, '--repo', repo, '--series', 'late'], {
        exitCode: 12,
        code: 'RETRY_EXHAUSTED',
        message: 'the other side asks for a longer pause',
      })
    })
    expect(await listedBackups(repo)).toEqual(backups)
  })

  test('takes longer than the run may take: 18', async () => {
    await withTrouble(
      midBackup(),
      () => ({ kind: 'stall' }),
      async (url) => {
        await expectJsonFailure(
          ['backup', '--url', url, '--repo', repo, '--series', 'late', '--timeout', '4s'],
          {
            exitCode: 18,
            code: 'TIMEOUT',
            message: '--timeout',
          },
        )
      },
    )
    expect(await listedBackups(repo)).toEqual(backups)
    expect(await readdir(path.join(repo, 'objects'))).toHaveLength(backups.length)
  })

  test('stops answering: the request times out and is sent again', async () => {
    await withTrouble(
      midBackup(),
      () => ({ kind: 'stall' }),
      async (url) => {
        await backUp(url, repo, '--series', 'stalled', '--request-timeout', '1s', ...quickRetries)
      },
    )
    await expectEqual(chroma().url, repo, '--series', 'stalled')
  })
})

describe('in the middle of a restore, a server', () => {
  const restoreArgs = (url: string, ...flags: readonly string[]) => [
    ...['restore', 'latest', '--series', 'main', '--repo', repo, '--url', url, '--state-dir', folder],
    ...flags,
  ]

  beforeEach(() => dropCollections(chroma().url))

  test('dies: 12, no live name, and the next run finishes what was begun', async () => {
    await withTrouble(midRestore(), die, async (url) => {
      const failure = { exitCode: 12, code: 'RETRY_EXHAUSTED', message: '3 attempts' }
      await expectJsonFailure(restoreArgs(url, ...isAwayForGood), failure)
    })
    await chroma().restart()
    const names = [...(await serverContents(chroma().url)).keys()]
    expect(names.filter((name) => !name.includes('.restore-'))).toEqual([])
    expect(await runJson(restoreArgs(chroma().url))).toMatchObject({ equal: true, records: 1000 })
    expectSameContents(await serverContents(chroma().url), contents)
  })

  test('restarts: it is waited for', async () => {
    await withTrouble(midRestore(), restart, async (url) => {
      expect(await runJson(restoreArgs(url, ...quickRetries))).toMatchObject({ equal: true, records: 1000 })
    })
    expectSameContents(await serverContents(chroma().url), contents)
  })

  test('asks for a pause with 429 and Retry-After: it gets the pause', async () => {
    await withTrouble(
      midRestore(),
      () => ({ kind: 'status', status: 429, retryAfter: '1' }),
      async (url) => {
        const started = performance.now()
        await runJson(restoreArgs(url, '--retry-base-delay', '1ms'))
        expect(performance.now() - started).toBeGreaterThan(1_000)
      },
    )
    expectSameContents(await serverContents(chroma().url), contents)
  })
})
