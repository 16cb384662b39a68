import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { chromaForSuite, testCacheDir } from '../helpers/chroma-server.js'
import { loseVectors, SYNC_THRESHOLD } from '../helpers/lose-vectors.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { backUp, idOf } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { dropCollections, serverContents } from '../helpers/server-contents.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const RECORDS = SYNC_THRESHOLD + 50
const chroma = chromaForSuite()
const broken = { tenant: 'default_tenant', database: 'default_database', name: 'broken' }
let folder: string
let repo: string
let target: string[]
let complete: string
let partial: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-lost-'))
  repo = path.join(folder, 'backups')
  target = ['--url', chroma().url, '--repo', repo]
  const { id } = await withApi(chroma().url, async (api) => {
    await simpleCollection(api, 'intact', 20)
    await simpleCollection(api, 'whole', 30)
    return simpleCollection(api, 'broken', RECORDS)
  })
  complete = await backUp(chroma().url, repo)
  await loseVectors(chroma(), { id })
})

afterAll(() => rm(folder, { recursive: true }))

test('the count is as ever', async () => {
  await withApi(chroma().url, async (api) => {
    expect(await api.count(await api.getCollection(broken))).toBe(RECORDS)
  })
})

test('health is 4 and names the collection', async () => {
  const health = await runJson(['health', '--url', chroma().url], 4)
  expect(health).toMatchObject({ status: 'critical', reachable: true })
  expect(health['findings']).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ severity: 'critical', collection: 'default_tenant/default_database/broken' }),
    ]),
  )
  const { exitCode, stdout } = await runCli(['health', '--url', chroma().url])
  expect(exitCode).toBe(4)
  expect(stdout).toContain('broken')
})

test('a backup is 4 and partial; it names the collection, and has the others and all documents', async () => {
  const run = await runCli(['backup', ...target])
  expect(run.exitCode).toBe(4)
  expect(run.stderr).toMatch(/warning: .*broken: the source has lost \d+ of 1050 vectors/)
  expect(run.stdout).toContain('partial')

  const document = await runJson(['backup', ...target], 4)
  partial = idOf(document['backup'])
  expect(document).toMatchObject({
    backup: { status: 'partial', counts: { collections: 3, failedCollections: 0, records: RECORDS + 50 } },
    collections: [
      { name: 'broken', status: 'incomplete', records: RECORDS, error: { code: 'VECTORS_LOST' } },
      { name: 'intact', status: 'complete', records: 20, error: null },
      { name: 'whole', status: 'complete', records: 30, error: null },
    ],
    restoreCommand: expect.stringMatching(/ --allow-partial$/),
  })
})

test('a partial backup is sound, but never the latest', async () => {
  expect(await runJson(['backup', 'verify', partial, '--depth', 'records', '--repo', repo])).toMatchObject({
    status: 'ok',
  })
  expect(await runJson(['backup', 'show', 'latest', '--repo', repo])).toMatchObject({
    backup: { id: complete },
  })
})

test('restoring all of it is 15 and needs --allow-partial; a whole collection of it does not', async () => {
  await dropCollections(chroma().url)
  await expectFailure(['restore', partial, ...target], {
    exitCode: 15,
    code: 'RESTORE_PARTIAL',
    message: 'broken',
    hint: '--allow-partial',
  })
  expect((await serverContents(chroma().url)).size).toBe(0)
  await runJson(['restore', partial, '--collection', 'whole', ...target])
  await dropCollections(chroma().url)
  const summary = await runJson(['restore', partial, '--allow-partial', ...target], 3)
  expect(summary).toMatchObject({ equal: true, exitCode: 3, warnings: [{ code: 'VECTORS_LOST' }] })
  const names = [...(await serverContents(chroma().url)).keys()].map((name) => path.basename(name))
  expect(names.sort()).toEqual(['broken', 'intact', 'whole'])
})

test('a drill of it is 15, and with --allow-partial 3, naming what is lost', async () => {
  const drill = ['backup', 'drill', partial, '--repo', repo, '--cache-dir', testCacheDir, '--probes', '1']
  await expectFailure(drill, {
    exitCode: 15,
    code: 'RESTORE_PARTIAL',
    message: 'broken',
    hint: '--allow-partial',
  })
  expect(await runJson([...drill, '--allow-partial'], 3)).toMatchObject({
    status: 'findings',
    findings: expect.arrayContaining([expect.stringMatching(/broken: \d+ records have no vector/)]),
  })
})

test('the last complete backup brings everything back', async () => {
  await dropCollections(chroma().url)
  expect(await runJson(['restore', 'latest', ...target])).toMatchObject({
    equal: true,
    records: RECORDS + 50,
  })
  expect(await runJson(['health', '--level', 'deep', '--url', chroma().url])).toMatchObject({ status: 'ok' })
})
