import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { FakeS3, times, type Fault } from '../helpers/fake-s3.js'
import type { S3Request } from '../helpers/fake-s3-request.js'
import { seededRandom } from '../helpers/fault-proxy.js'
import { unusedPort } from '../helpers/http-server.js'
import { expectFailure, expectJsonFailure, runJson, type Failure } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { dropCollections, expectSameContents, serverContents } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

const SEEDS = Array.from({ length: Number(process.env['CHROMA_OPS_TEST_SEEDS'] ?? 2) }, (_, seed) => seed + 1)
const REPO = 's3://bucket/chroma/prod'
const quick = ['--retry-base-delay', '5ms', '--retry-max-delay', '50ms']

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
/** What the AWS SDK reads by itself. */
const variables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_REGION',
  'AWS_EC2_METADATA_DISABLED',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
]
let folder: string
let s3: FakeS3
let service: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-s3-'))
  const seeds = ['docs', 'images', 'none'].map((name, number) => ({
    ...home,
    name,
    records: sampleBatch({ rows: [300, 150, 0][number] ?? 0, dimension: 12, first: 1000 * number }),
  }))
  await withApi(chroma().url, (api) => seedServer(api, seeds))
})

afterAll(() => rm(folder, { recursive: true }))

beforeEach(async () => {
  s3 = await FakeS3.start()
  service = ['--endpoint-url', s3.endpoint]
  useCredentials(s3.credentials)
})

afterEach(async () => {
  for (const name of variables) Reflect.deleteProperty(process.env, name)
  await s3.stop()
})

function useCredentials(credentials: { accessKeyId: string; secretAccessKey: string } | null): void {
  for (const name of variables) Reflect.deleteProperty(process.env, name)
  process.env['AWS_EC2_METADATA_DISABLED'] = 'true'
  process.env['AWS_CONFIG_FILE'] = path.join(folder, 'none')
  process.env['AWS_SHARED_CREDENTIALS_FILE'] = path.join(folder, 'none')
  if (credentials === null) return
  process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId
  process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey
}

const isWrite = ({ method }: S3Request) => method === 'PUT'

describe('a bucket that cannot be used', () => {
  const backup = (...flags: readonly string[]) => [
    ...['backup', '--url', chroma().url, '--init', '--repo', REPO],
    ...[...service, ...quick, ...flags],
  ]
  const list = () => ['backup', 'list', '--repo', REPO, ...service, ...quick]

  async function expectUnusable(failure: Failure): Promise<void> {
    await expectFailure(backup(), failure)
    await expectFailure(list(), failure)
  }

  test('no credentials: 14', async () => {
    useCredentials(null)
    await expectUnusable({
      exitCode: 14,
      code: 'STORE_ACCESS',
      message: 'credentials',
      hint: 'AWS_ACCESS_KEY_ID',
    })
    expect(s3.requests).toEqual([])
  })

  test('wrong credentials: 14', async () => {
    useCredentials({ accessKeyId: 'test-key', secretAccessKey: 'wrong' })
    await expectUnusable({ exitCode: 14, code: 'STORE_ACCESS', message: 'SignatureDoesNotMatch' })
    useCredentials({ accessKeyId: 'nobody', secretAccessKey: 'wrong' })
    await expectUnusable({ exitCode: 14, code: 'STORE_ACCESS', message: 'InvalidAccessKeyId' })
  })

  test('another region than the bucket’s: 2, which names the right one', async () => {
    await s3.stop()
    s3 = await FakeS3.start({ region: 'eu-central-1' })
    service = ['--endpoint-url', s3.endpoint]
    await expectUnusable({ exitCode: 2, code: 'STORE_REGION', message: 'us-east-1', hint: 'eu-central-1' })
    service.push('--region', 'eu-central-1')
    await runJson(backup())
  })

  test('no such bucket: 10, and none is made', async () => {
    await s3.stop()
    s3 = await FakeS3.start({ buckets: ['other'] })
    service = ['--endpoint-url', s3.endpoint]
    await expectUnusable({ exitCode: 10, code: 'STORE_NOT_FOUND', message: 'NoSuchBucket', hint: 'bucket' })
  })

  test('no permission to write: 14, with what is missing; reading goes on', async () => {
    await backUp(chroma().url, REPO, ...service)
    const kept = await listed()
    s3.fault = (request) => (isWrite(request) ? { kind: 'status', status: 403, code: 'AccessDenied' } : null)
    await expectFailure(backup(), {
      exitCode: 14,
      code: 'STORE_ACCESS',
      message: 'AccessDenied',
      hint: 's3:PutObject on bucket/*',
    })
    expect(await listed()).toEqual(kept)
    await runJson(['backup', 'verify', '--repo', REPO, ...service])
  })

  test('nobody there: 12', async () => {
    service = ['--endpoint-url', `http://127.0.0.1:${await unusedPort()}`]
    await expectUnusable({ exitCode: 12, code: 'RETRY_EXHAUSTED', message: 'ECONNREFUSED', hint: 'endpoint' })
  })

  test('a full one: 1, and the old backups are sound', async () => {
    await backUp(chroma().url, REPO, ...service)
    const kept = await listed()
    let writes = 0
    s3.fault = (request) =>
      isWrite(request) && ++writes > 2 ? { kind: 'status', status: 507, code: 'InsufficientStorage' } : null
    await expectJsonFailure(backup('--series', 'full'), { exitCode: 1, code: 'STORE_FULL', message: '507' })
    s3.fault = () => null
    expect(await listed()).toEqual(kept)
    await verify()
  })
})

async function listed(): Promise<string[]> {
  return listedBackups(REPO, ...service)
}

async function verify(...flags: readonly string[]): Promise<Record<string, unknown>> {
  await expectSound(REPO, ...service, ...quick)
  return runJson(['backup', 'verify', '--repo', REPO, ...service, ...quick, ...flags])
}

const spoilt: readonly Fault[] = [
  { kind: 'reset' },
  { kind: 'lose-answer' },
  { kind: 'cut' },
  { kind: 'flip' },
  { kind: 'slow', ms: 30 },
  { kind: 'status', status: 429, code: 'TooManyRequests' },
  { kind: 'status', status: 500, code: 'InternalError' },
  { kind: 'status', status: 503, code: 'SlowDown', headers: { 'retry-after': '0' } },
]

describe.each(SEEDS)('a service that spoils every fifth request (seed %d)', (seed) => {
  test('a backup, its verification and a restore are as they must be', async () => {
    const random = seededRandom(seed)
    let faults = 0
    const flipped = new Set<string>()
    s3.fault = (request) => {
      const fault = random() < 0.2 ? spoilt[Math.floor(random() * spoilt.length)] : undefined
      if (fault === undefined) return null
      if (fault.kind === 'flip') {
        // In what must be noticed; and what is garbage twice in a row is taken for damage.
        if (request.method !== 'GET' || request.key === '' || flipped.has(request.key)) return null
        flipped.add(request.key)
      }
      faults++
      return fault
    }
    const before = await serverContents(chroma().url)
    await backUp(chroma().url, REPO, ...service, ...quick)
    await backUp(chroma().url, REPO, ...service, ...quick)
    await verify()
    await dropCollections(chroma().url)
    const args = ['restore', 'latest', '--repo', REPO, '--url', chroma().url, ...service, ...quick]
    expect(await runJson(args)).toMatchObject({ equal: true, records: 450 })
    expect(faults).toBeGreaterThan(5)
    s3.fault = () => null
    expectSameContents(await serverContents(chroma().url), before)
    expect(await listed()).toHaveLength(2)
    await expectEqual(chroma().url, REPO, ...service)
  })
})

describe('an answer that is lost', () => {
  test.each([
    ['repo.json', /\/repo\.json$/],
    ['an object', /\/objects\//],
    ['the manifest, which was written nevertheless', /\/backups\//],
    ['the session', /\/sessions\//],
  ])('to the writing of %s', async (_, key) => {
    s3.fault = times(1, { kind: 'lose-answer' }, (request) => isWrite(request) && key.test(`/${request.key}`))
    await backUp(chroma().url, REPO, ...service, ...quick)
    expect(await listed()).toHaveLength(1)
    await verify()
    const sessions = [...s3.objects().keys()].filter((name) => name.includes('/sessions/'))
    expect(sessions).toEqual([])
  })
})

test('what is garbage when it is read first is read again; of objects this is told', async () => {
  await backUp(chroma().url, REPO, ...service)
  const seen = new Set<string>()
  s3.fault = ({ method, key }) => {
    if (method !== 'GET' || key === '' || seen.has(key)) return null
    seen.add(key)
    return { kind: 'flip' }
  }
  const { reports } = await runJson(['backup', 'verify', '--repo', REPO, ...service])
  const objects = [...seen].filter((key) => key.includes('/objects/'))
  expect([objects.length, seen.size]).toEqual([4, 6])
  expect(reports).toMatchObject([{ status: 'ok', objects: { reread: 4 } }])
  seen.clear()
  await dropCollections(chroma().url)
  const run = await runCli(['restore', 'latest', '--repo', REPO, '--url', chroma().url, ...service])
  expect(run.exitCode).toBe(0)
  expect(run.stderr).toMatch(/warning: .*did not match its checksum when it was read first/)
})

test('an object that is garbage for good is 13', async () => {
  await backUp(chroma().url, REPO, ...service)
  s3.fault = ({ method, key }) => (method === 'GET' && key.includes('/objects/') ? { kind: 'flip' } : null)
  const { status } = await runJson(['backup', 'verify', '--repo', REPO, ...service], 13)
  expect(status).toBe('damaged')
  await dropCollections(chroma().url)
  await expectJsonFailure(['restore', 'latest', '--repo', REPO, '--url', chroma().url, ...service], {
    exitCode: 13,
    code: 'OBJECT_ALTERED',
    message: 'objects/',
    hint: 'backup verify',
  })
  s3.fault = () => null
  await runJson(['restore', 'latest', '--repo', REPO, '--url', chroma().url, ...service])
})

test('what the secret key is, nobody is told', async () => {
  await backUp(chroma().url, REPO, ...service, '--verbose')
  for (const args of [
    ['backup', 'list'],
    ['repo', 'check'],
    ['config', 'show'],
    ['backup', 'verify', '--verbose'],
  ]) {
    const { stdout, stderr } = await runCli([...args, '--repo', REPO, ...service])
    expect(stdout + stderr).not.toContain(s3.credentials.secretAccessKey)
  }
  for (const { body } of s3.objects().values())
    expect(body.includes(s3.credentials.secretAccessKey)).toBe(false)
})
