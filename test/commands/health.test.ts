import { beforeAll, describe, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { unusedPort } from '../helpers/http-server.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

beforeAll(async () => {
  await simpleCollection(api(), 'docs', 300)
})

const atServer = (...args: readonly string[]) => runCli([...args, '--url', chroma().url])

describe('health', () => {
  test('is 0 with figures of every collection', async () => {
    const result = documentOf(await atServer('health', '--json'))
    expect(result).toMatchObject({ status: 'ok', reachable: true, findings: [] })
    const { exitCode, stdout } = await atServer('health', '--level', 'deep', '--collection', 'docs')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/default_tenant\/default_database\/docs +ok +300 +3 +l2 +300 +10\/10/)
  })

  test('speaks to monitoring', async () => {
    expect((await atServer('health', '--format', 'prometheus')).stdout).toContain('# TYPE')
    const { exitCode, stdout } = await atServer('health', '--format', 'nagios')
    expect([exitCode, stdout.slice(0, 12)]).toEqual([0, 'CHROMA OK - '])
  })

  test('a server that is not there is 4, and 2 for monitoring', async () => {
    const args = ['health', '--url', `http://127.0.0.1:${await unusedPort()}`, '--deadline', '1s']
    const result = await runCli([...args, '--format', 'json'])
    expect([result.exitCode, documentOf(result)['status']]).toEqual([4, 'critical'])
    expect((await runCli([...args, '--format', 'nagios'])).exitCode).toBe(2)
  })
})
