import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli, type CliProcess, type EndedProcess } from '../helpers/cli-process.js'
import { FakeS3 } from '../helpers/fake-s3.js'
import { startFaultProxy, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { dropCollections, expectSameContents, serverContents } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let repo: string
let backups: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-signals-'))
  repo = path.join(folder, 'backups')
  await withApi(chroma().url, (api) =>
    seedServer(
      api,
      ['first', 'second', 'third'].map((name, number) => ({
        ...home,
        name,
        records: sampleBatch({ rows: 200, dimension: 8, first: 1000 * number }),
      })),
    ),
  )
  await backUp(chroma().url, repo, '--series', 'main')
  backups = await listedBackups(repo)
})

afterAll(() => rm(folder, { recursive: true }))

/** Starts a command and sends it signals when the server gets the matching request, which is not answered. */
async function interrupted(
  args: readonly string[],
  matches: (request: ProxiedRequest) => boolean,
  send: (cli: CliProcess) => void,
): Promise<EndedProcess & { readonly ms: number }> {
  let cli: Promise<CliProcess> | undefined
  let sent = 0
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: async (request) => {
      if (cli === undefined || !matches(request)) return undefined
      sent ||= performance.now()
      send(await cli)
      return { kind: 'stall' }
    },
  })
  try {
    cli = startCli([...args, '--url', proxy.url, '--repo', repo, '--json'], {
      environment: { TMPDIR: folder },
    })
    const ended = await (await cli).ended
    expect(sent).toBeGreaterThan(0)
    return { ...ended, ms: performance.now() - sent }
  } finally {
    await proxy.close()
  }
}

function onRequest(pattern: RegExp, count = 1): (request: ProxiedRequest) => boolean {
  let seen = 0
  return ({ path: url }) => pattern.test(url) && ++seen === count
}

const stops = [
  ['SIGINT', 130, 'INTERRUPTED'],
  ['SIGTERM', 143, 'TERMINATED'],
] as const

describe.each(stops)('%s', (signal, exitCode, code) => {
  const stop = (cli: CliProcess) => cli.kill(signal)
  const document = { error: { code, message: `stopped by ${signal}`, hint: null, exitCode } }

  test(`in a backup: ${exitCode}, one document, no new backup, nothing left behind`, async () => {
    const end = await interrupted(['backup', '--series', 'stopped'], onRequest(/\/get$/, 3), stop)
    expect(end).toMatchObject({ exitCode, signal: null })
    expect(JSON.parse(end.stdout)).toEqual(document)
    expect(end.ms).toBeLessThan(8_000)
    expect(await listedBackups(repo)).toEqual(backups)
    expect(await readdir(path.join(repo, 'objects'))).toEqual(backups)
    expect(await readdir(path.join(repo, 'sessions'))).toEqual([])
    expect((await readdir(folder)).filter((name) => name !== 'backups')).toEqual([])
    await expectSound(repo)
  })

  test(`in a restore: ${exitCode}, one document, names as they were; run again, it goes on`, async () => {
    const before = await serverContents(chroma().url)
    await dropCollections(chroma().url)
    const end = await interrupted(['restore', backups[0] ?? ''], onRequest(/\/add$/, 2), stop)
    expect(end).toMatchObject({ exitCode, signal: null })
    expect(JSON.parse(end.stdout)).toEqual(document)
    expect(end.ms).toBeLessThan(8_000)
    const names = [...(await serverContents(chroma().url)).keys()]
    expect(names.filter((name) => !name.includes('.restore-'))).toEqual([])
    expect(names.length).toBeGreaterThan(0)
    const args = ['restore', backups[0] ?? '', '--url', chroma().url, '--repo', repo]
    expect(await runJson(args)).toMatchObject({ equal: true, records: 600 })
    expectSameContents(await serverContents(chroma().url), before)
  })
})

test('a second signal ends it at once, whatever it is waiting for, and what it leaves is no backup', async () => {
  const s3 = await FakeS3.start()
  const service = ['--repo', 's3://bucket/backups', '--endpoint-url', s3.endpoint]
  const environment = {
    TMPDIR: folder,
    AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
  }
  let cli: CliProcess | undefined
  let first = 0
  let second = 0
  // The first comes while an object is written; the second while what was written is being removed.
  s3.fault = ({ method, key }) => {
    if (second > 0) return { kind: 'slow', ms: 60_000 }
    if (first === 0 && method === 'PUT' && key.includes('/objects/')) {
      first = performance.now()
      cli?.kill('SIGINT')
    }
    if (first === 0 || method !== 'DELETE') return null
    second = performance.now()
    cli?.kill('SIGTERM')
    return { kind: 'slow', ms: 60_000 }
  }
  try {
    cli = await startCli(['backup', '--init', '--url', chroma().url, ...service, '--json'], { environment })
    const end = await cli.ended
    expect(second).toBeGreaterThan(0)
    expect(performance.now() - second).toBeLessThan(3_000)
    expect(end).toMatchObject({ exitCode: 143, signal: null })
    expect(JSON.parse(end.stdout)).toMatchObject({ error: { exitCode: 143 } })
    expect([...s3.objects().keys()].filter((key) => key.includes('/backups/2'))).toEqual([])
  } finally {
    await s3.stop()
  }
})
