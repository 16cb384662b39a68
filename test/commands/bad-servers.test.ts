import type { RequestListener } from 'node:http'

import { beforeAll, describe, expect, test } from '@jest/globals'

import { apiForSuite, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { answerJson, chromaLike, startHttpServer } from '../helpers/http-server.js'
import { loseVectors, SYNC_THRESHOLD } from '../helpers/lose-vectors.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleRecords } from '../helpers/simple-collection.js'

const quick = ['--retry-base-delay', '1ms', '--max-retries', '2']

describe('what is no Chroma that we can talk to', () => {
  const page: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end('<html><body>welcome</body></html>')
  }
  const onlyV1: RequestListener = (request, response) => {
    if (request.url === '/api/v1/heartbeat') answerJson(response, '{"nanosecond heartbeat":1}')
    else answerJson(response, '{"detail":"Not Found"}', 404)
  }
  const locked: RequestListener = (_, response) => {
    answerJson(response, '{"error":"AuthError","message":"forbidden"}', 403)
  }
  const busy = chromaLike((_, response) => {
    response.writeHead(429, { 'retry-after': '0' })
    response.end()
  })

  test.each([
    ['a web page', page, 16],
    ['a server that has only API v1', onlyV1, 16],
    ['a server that lets nobody in', locked, 14],
    ['a server that is always busy', busy, 12],
  ])('%s is told as what it is', async (_, handler, exitCode) => {
    const server = await startHttpServer(handler)
    try {
      const args = ['backup', '--url', server.url, '--repo', 'memory://bad-servers', '--init', ...quick]
      const result = await runCli([...args, '--json'])
      expect(documentOf(result)).toMatchObject({ error: { exitCode, hint: expect.any(String) } })
      const health = await runCli(['health', '--url', server.url, '--json', ...quick])
      expect([health.exitCode, documentOf(health)['status']]).toEqual([4, 'critical'])
    } finally {
      await server.close()
    }
  })
})

describe('a real server in trouble', () => {
  const chroma = chromaForSuite()
  const api = apiForSuite(chroma)
  let damaged: string

  beforeAll(async () => {
    const collection = await newCollection(api(), { name: 'damaged' })
    damaged = collection.id
    for (let at = 0; at < 3 * SYNC_THRESHOLD; at += 500) await api().add(collection, simpleRecords(at, 500))
    await api().add(await newCollection(api(), { name: 'fine' }), simpleRecords(0, 10))
  })

  test('busy for a while, it is waited for', async () => {
    const proxy = await startFaultProxy({
      target: chroma().url,
      decide: ({ index }) => (index % 3 === 1 ? { kind: 'status', status: 429, retryAfter: '0' } : undefined),
    })
    try {
      const args = [
        'backup',
        '--url',
        proxy.url,
        '--repo',
        'memory://busy',
        '--init',
        '--retry-base-delay',
        '1ms',
      ]
      const { exitCode, stderr } = await runCli(args)
      expect(exitCode).toBe(0)
      expect(proxy.faults).toBeGreaterThan(0)
      expect(stderr).toContain('again in')
    } finally {
      await proxy.close()
    }
  })

  test('whose vectors are lost: the collection is named, the others are backed up, 4', async () => {
    await loseVectors(chroma(), { id: damaged })
    const target = ['--url', chroma().url]
    const repo = ['--repo', 'memory://lost', '--init']
    const made = await runCli(['backup', ...target, ...repo, '--json'])
    expect(made.exitCode).toBe(4)
    expect(documentOf(made)).toMatchObject({
      backup: { status: 'partial' },
      collections: [
        { name: 'damaged', status: expect.stringMatching(/incomplete|failed/) },
        { name: 'fine', status: 'complete', records: 10 },
      ],
    })
    expect(made.stderr).toContain('damaged')
    const latest = await runCli(['restore', 'latest', ...target, '--repo', 'memory://lost', '--json'])
    expect(documentOf(latest)).toMatchObject({ error: { code: 'BACKUP_NOT_FOUND', exitCode: 10 } })
    const health = await runCli(['health', ...target])
    expect(health.exitCode).toBe(4)
    expect(health.stdout).toMatch(/critical.*VECTORS_LOST.*default_tenant\/default_database\/damaged/)
  })
})
