import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { answerJson, startHttpServer, unusedPort, type TestServer } from '../helpers/http-server.js'
import { expectFailure, impatient, runJson, type Failure } from '../helpers/outcomes.js'
import { backUp, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
let folder: string
let repo: string
let kept: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-unreachable-'))
  repo = path.join(folder, 'backups')
  await withApi(chroma().url, (api) => simpleCollection(api, 'docs', 5))
  await backUp(chroma().url, repo)
  kept = await listedBackups(repo)
})

afterAll(() => rm(folder, { recursive: true }))

/** Every command that talks to a server, and none leaves a trace when it does not get through. */
async function expectEverywhere(
  url: string,
  failure: Failure,
  flags: readonly string[] = impatient,
): Promise<void> {
  const target = ['--url', url, '--repo', repo, ...flags]
  await expectFailure(['backup', ...target], failure)
  await expectFailure(['backup', '--dry-run', ...target], failure)
  await expectFailure(['restore', 'latest', ...target], failure)
  await expectFailure(['backup', 'verify', '--against', url, '--repo', repo, ...flags], failure)
  expect(await listedBackups(repo)).toEqual(kept)
}

describe('what is not a server that can be used', () => {
  test('nobody listens: 12', async () => {
    const url = `http://127.0.0.1:${await unusedPort()}`
    await expectEverywhere(url, {
      exitCode: 12,
      code: 'SERVER_UNREACHABLE',
      message: `cannot connect to ${url}: connection refused`,
    })
    const health = await runJson(['health', '--url', url, ...impatient], 4)
    expect(health).toMatchObject({ status: 'critical', reachable: false })
  })

  test('a name that does not exist: 12', async () => {
    await expectEverywhere('http://chroma.invalid:8000', {
      exitCode: 12,
      code: 'SERVER_UNREACHABLE',
      message: 'chroma.invalid',
    })
  })

  const strangers: readonly [
    string,
    (server: TestServer) => Failure,
    Parameters<typeof startHttpServer>[0],
  ][] = [
    [
      'only API v1: 16, upgrade',
      () => ({ exitCode: 16, code: 'V1_ONLY', message: 'has only API v1', hint: 'upgrade the server' }),
      (request, response) => {
        if (request.url === '/api/v1/heartbeat') answerJson(response, '{"nanosecond heartbeat":1}')
        else answerJson(response, '{"detail":"Not Found"}', 404)
      },
    ],
    [
      'a web page',
      ({ url }) => ({
        exitCode: 16,
        code: 'NOT_CHROMA',
        message: `no Chroma at ${url}`,
        hint: 'host and port',
      }),
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        response.end('<!doctype html><title>Welcome to nginx!</title>')
      },
    ],
    [
      'JSON of somebody else',
      ({ url }) => ({
        exitCode: 16,
        code: 'NOT_CHROMA',
        message: `no Chroma at ${url}`,
        hint: 'host and port',
      }),
      (_, response) => answerJson(response, '{"status":"ok"}'),
    ],
    [
      'a server that wants a token: 14',
      () => ({ exitCode: 14, code: 'NOT_ALLOWED', message: '401', hint: 'token' }),
      (_, response) => answerJson(response, '{"error":"Unauthorized"}', 401),
    ],
    [
      'a server that is overloaded for good: 12',
      () => ({ exitCode: 12, code: 'SERVER_UNREACHABLE', message: '503' }),
      (_, response) => answerJson(response, '{"error":"busy"}', 503),
    ],
  ]

  test.each(strangers)('%s', async (_, failure, handler) => {
    const server = await startHttpServer(handler)
    try {
      await expectEverywhere(server.url, failure(server))
    } finally {
      await server.close()
    }
  })
})

describe('what is not there on a server is 10, told with what is there', () => {
  const there = () => ['--url', chroma().url, '--repo', repo]

  test('a tenant', async () => {
    const failure = { exitCode: 10, code: 'TENANT_NOT_FOUND', message: 'no tenant named nobody' }
    await expectFailure(['backup', '--tenant', 'nobody', ...there()], failure)
    expect(await runJson(['health', '--tenant', 'nobody', '--url', chroma().url], 4)).toMatchObject({
      status: 'critical',
    })
  })

  test('a database, for which the server answers with an empty list', async () => {
    const failure = {
      exitCode: 10,
      code: 'DATABASE_NOT_FOUND',
      message: 'no database named nowhere',
      hint: 'default_database',
    }
    await expectFailure(['backup', '--database', 'nowhere', ...there()], failure)
    await expectFailure(['backup', '--database', 'nowhere', '--allow-empty', ...there()], failure)
  })

  test('a collection', async () => {
    const failure = {
      exitCode: 10,
      code: 'COLLECTION_NOT_FOUND',
      message: 'no collection named dosc',
      hint: 'default_tenant/default_database/docs',
    }
    await expectFailure(['backup', '--collection', 'dosc', ...there()], failure)
    await expectFailure(['restore', kept[0] ?? '', '--collection', 'dosc', ...there()], failure)
  })

  test('a backup', async () => {
    const failure = { exitCode: 10, code: 'BACKUP_NOT_FOUND', message: '2031' }
    await expectFailure(['restore', '20310101T000000Z-docs', ...there()], failure)
    await expectFailure(['backup', 'verify', '20310101T000000Z-docs', '--repo', repo], failure)
  })

  test('a repository, which is not made by mistake', async () => {
    const nowhere = path.join(folder, 'bakcups')
    const failure = {
      exitCode: 10,
      code: 'REPOSITORY_NOT_FOUND',
      message: `no repository at ${nowhere}`,
      hint: '--init',
    }
    for (const command of [['backup'], ['restore', 'latest'], ['backup', 'list'], ['backup', 'verify']])
      await expectFailure([...command, '--url', chroma().url, '--repo', nowhere], failure)
  })

  afterAll(async () => {
    expect(await listedBackups(repo)).toEqual(kept)
  })
})

test('after a wrong word or number nothing is done', async () => {
  const target = ['--url', chroma().url, '--repo', repo]
  for (const args of [
    ['backup', 'now', ...target],
    ['backup', '--collectoin', 'docs', ...target],
    ['backup', '--concurrency', 'many', ...target],
    ['backup', '--concurrency', '0', ...target],
    ['backup', '--request-timeout', '10', ...target],
    ['backup', '--url', 'chroma:8000', '--repo', repo],
    ['backup', '--url', 'ftp://chroma', '--repo', repo],
    ['backup', '--url', chroma().url, '--repo', 'gopher://x'],
    ['backup', '--series', 'a/b', ...target],
    ['restore', 'latest', '--rename', 'docs=docs2', '--rename', 'docs=docs3', ...target],
    ['restore', 'latest', 'docs', ...target],
  ]) {
    const { exitCode, stdout } = await runCli([...args, '--json'])
    expect([args, exitCode]).toEqual([args, 2])
    expect(JSON.parse(stdout)).toMatchObject({ error: { exitCode: 2 } })
  }
  expect(await listedBackups(repo)).toEqual(kept)
})
