import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import type { RecordBatch } from '../../src/core/records.js'
import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { expectJsonFailure, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual, expectSound } from '../helpers/repositories.js'
import { runCli } from '../helpers/run-cli.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const DIMENSION = 128

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const rows = (first: number, count: number, texts = true): RecordBatch =>
  sampleBatch({ rows: count, first, dimension: DIMENSION, texts })

async function collection() {
  return api().createCollection({
    tenant: 'default_tenant',
    database: 'default_database',
    name: 'docs',
    metadata: null,
    schema: null,
    configuration: new Map([['hnsw', new Map([['space', 'l2']])]]),
  })
}

describe('backups of a server that is written to', () => {
  test('hold what changed, are what the server has, and tell what that was', async () => {
    const repo = path.join(folder, 'repo')
    const { url } = chroma()
    const docs = await collection()
    await api().add(docs, rows(0, 600))
    await expectJsonFailure(['backup', '--url', url, '--repo', repo, '--init', '--type', 'incremental'], {
      exitCode: 15,
      code: 'NO_PARENT',
      message: 'no complete backup',
    })
    const full = await backUp(url, repo)
    const changed = rows(40, 3)
    await api().upsert(docs, { ...changed, documents: ['other', 'new', 'texts'] })
    await api().add(docs, rows(600, 5))
    const incremental = await backUp(url, repo, '--type', 'incremental')
    await expectEqual(url, repo)
    await expectSound(repo)
    const { backup } = await runJson(['backup', 'show', '--repo', repo])
    expect(backup).toMatchObject({ id: incremental, type: 'incremental', requires: ['layers'], parent: full })
    const diff = await runJson(['backup', 'diff', '--repo', repo, '--exit-code'], 3)
    expect(diff).toMatchObject({
      from: full,
      to: incremental,
      status: 'different',
      added: 5,
      changed: 3,
      removed: 0,
      collections: [{ name: 'docs', before: 600, after: 605, changedPayloads: 3, changedVectors: 0 }],
    })
    const text = await runCli(['backup', 'diff', '--repo', repo, '--examples', '1'])
    expect(text).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('5 added, 3 changed') })
    expect(text.stdout).toContain('~ id00000040, and 2 more')
    const same = await runJson(['backup', 'diff', 'latest', 'latest', '--repo', repo, '--exit-code'])
    expect(same).toMatchObject({ status: 'equal' })
  })

  test('build anew upon a collection that was restored, whose id is another', async () => {
    const repo = path.join(folder, 'repo')
    const { url } = chroma()
    await runJson(['restore', 'latest', '--repo', repo, '--url', url, '--mode', 'replace', '--drop-old'])
    await backUp(url, repo)
    await expectEqual(url, repo)
    const { backup } = await runJson(['backup', 'show', '--repo', repo])
    expect(backup).toMatchObject({ type: 'incremental', requires: [] })
    const diff = await runJson(['backup', 'diff', '--repo', repo])
    expect(diff).toMatchObject({ added: 0, changed: 0, removed: 0, collections: [{ recreated: true }] })
  })
})
