import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { startChroma, testCacheDir } from '../helpers/chroma-server.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleCollection } from '../helpers/simple-collection.js'

let folder: string
let data: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-rebuild-command-'))
  data = path.join(folder, 'data')
  const chroma = await startChroma({ directory: data })
  const api = new ChromaApi(await connectTransport({ url: chroma.url }))
  await simpleCollection(api, 'docs', 40, 'cosine')
  await simpleCollection(api, 'empty', 0)
  await api.transport.close()
  await chroma.halt()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const rebuild = (...args: readonly string[]) =>
  runCli(['rebuild', 'index', '--path', data, '--cache-dir', testCacheDir, ...args])

describe('rebuild index', () => {
  test('needs a directory, a collection, and numbers that can be', async () => {
    expect(await rebuild()).toMatchObject({ exitCode: 2 })
    expect(await runCli(['rebuild', 'index', '--collection', 'docs'])).toMatchObject({ exitCode: 2 })
    expect(await rebuild('--collection', 'nope')).toMatchObject({ exitCode: 10 })
    expect(await rebuild('--collection', 'docs', '--m', '1')).toMatchObject({ exitCode: 2 })
  })

  test('is a plan at first', async () => {
    const before = await readdir(data)
    const { exitCode, stdout } = await rebuild('--collection', 'docs', '--space', 'l2')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('nothing has been changed; with --apply, the index of')
    expect(stdout).toContain('cosine, ef_construction 100, max_neighbors 16 -> l2, ef_construction 100')
    expect(stdout).toContain('cosine data is already normalised')
    expect(await readdir(data)).toEqual(before)
  })

  test('a collection without records has nothing to build, and has lost nothing', async () => {
    const flags = ['--collection', 'empty', '--server-stopped', '--json']
    const plan = documentOf(await rebuild(...flags))
    expect(plan).toMatchObject({ records: 0, warnings: [expect.stringContaining('nothing to build')] })
    const refused = documentOf(await rebuild(...flags, '--apply'))
    expect(refused).toMatchObject({ error: { code: 'NOTHING_TO_BUILD', exitCode: 15 } })
  })

  test('--apply builds it', async () => {
    const flags = ['--collection', 'docs', '--m', '32', '--apply', '--server-stopped', '--json']
    const result = documentOf(await rebuild(...flags))
    expect(result).toMatchObject({ applied: true, records: 40, after: { maxNeighbours: 32 } })
    expect(await rebuild(...flags, '--read-only')).toMatchObject({ exitCode: 15 })
    const { exitCode, stdout } = await rebuild('--collection', 'docs')
    expect([exitCode, stdout.includes('max_neighbors 32 (as it was)')]).toEqual([0, true])
  })
})
