import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { backUp, expectEqual, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { dropCollections, expectSameContents, serverContents } from '../helpers/server-contents.js'
import { simpleCollection, simpleRecords } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
let folder: string
let repo: string
let target: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-guards-'))
  repo = path.join(folder, 'backups')
  target = ['--url', chroma().url, '--repo', repo]
})

afterAll(() => rm(folder, { recursive: true }))

// One story: what happens to an operator in the course of a bad day.

test('an empty source is 15, and with --allow-empty a backup that restores to nothing', async () => {
  const failure = {
    exitCode: 15,
    code: 'SOURCE_EMPTY',
    message: 'has no collections',
    hint: '--allow-empty',
  }
  await runJson(['repo', 'init', '--repo', repo])
  await expectFailure(['backup', '--series', 'empty', ...target], failure)
  await expectFailure(['backup', '--series', 'empty', '--allow-shrink', ...target], failure)
  expect(await listedBackups(repo)).toEqual([])
  expect(await runJson(['backup', '--dry-run', '--series', 'empty', ...target], 15)).toMatchObject({
    refusals: [{ code: 'SOURCE_EMPTY' }],
  })
  await backUp(chroma().url, repo, '--series', 'empty', '--allow-empty')
  expect(await runJson(['restore', 'latest', '--series', 'empty', ...target])).toMatchObject({
    collections: [],
    records: 0,
  })
})

test('collections without records are as empty', async () => {
  await withApi(chroma().url, (api) => simpleCollection(api, 'docs', 0))
  await expectFailure(['backup', '--series', 'empty', ...target], {
    exitCode: 15,
    code: 'SOURCE_EMPTY',
    message: 'has no records',
    hint: '--allow-empty',
  })
})

test('a source that lost more than half of its records is 15, and half of them is not', async () => {
  await withApi(chroma().url, async (api) => {
    const docs = await api.getCollection({
      tenant: 'default_tenant',
      database: 'default_database',
      name: 'docs',
    })
    await api.add(docs, simpleRecords(0, 100))
    await backUp(chroma().url, repo, '--series', 'docs')
    await api.deleteRecords(docs, simpleRecords(0, 50).ids)
    const before = await backUp(chroma().url, repo, '--series', 'docs')
    await api.deleteRecords(docs, simpleRecords(50, 26).ids)
    const failure = {
      exitCode: 15,
      code: 'SOURCE_SHRUNK',
      message: `has 24 records, but ${before} has 50`,
      hint: '--allow-shrink',
    }
    await expectFailure(['backup', '--series', 'docs', ...target], failure)
    await expectFailure(['backup', '--series', 'docs', '--allow-empty', ...target], failure)
    expect((await listedBackups(repo))[0]).toBe(before)
    await backUp(chroma().url, repo, '--series', 'docs', '--allow-shrink')
    await expectEqual(chroma().url, repo, '--series', 'docs')
  })
})

test('overrides do not come from the environment or the configuration file', async () => {
  await withApi(chroma().url, async (api) => {
    const docs = await api.getCollection({
      tenant: 'default_tenant',
      database: 'default_database',
      name: 'docs',
    })
    await api.deleteRecords(docs, simpleRecords(70, 20).ids)
  })
  await expectFailure(
    ['backup', '--series', 'docs', ...target],
    { exitCode: 15, code: 'SOURCE_SHRUNK', message: 'has 10 records', hint: '--allow-shrink' },
    { environment: { CHROMA_OPS_ALLOW_SHRINK: 'true', CHROMA_OPS_ALLOW_EMPTY: 'true' } },
  )
})

test('a restore onto names that exist is 15, and changes nothing', async () => {
  const before = await serverContents(chroma().url)
  const failure = {
    exitCode: 15,
    code: 'RESTORE_TARGET_EXISTS',
    message: 'default_tenant/default_database/docs exists already',
    hint: '--mode',
  }
  await expectFailure(['restore', 'latest', '--series', 'docs', ...target], failure)
  expect(await runJson(['restore', 'latest', '--series', 'docs', '--dry-run', ...target], 15)).toMatchObject({
    refusals: [{ code: 'RESTORE_TARGET_EXISTS' }],
  })
  expectSameContents(await serverContents(chroma().url), before)
})

test('a restore to a server that is named only by the environment is 15', async () => {
  await dropCollections(chroma().url)
  await expectFailure(
    ['restore', 'latest', '--series', 'docs', '--repo', repo],
    { exitCode: 15, code: 'DESTINATION_NOT_NAMED', message: 'CHROMA_OPS_URL', hint: '--in-place' },
    { environment: { CHROMA_OPS_URL: chroma().url } },
  )
  expect((await serverContents(chroma().url)).size).toBe(0)
})

test('several series and none named: 2, and they are told', async () => {
  await expectFailure(['restore', 'latest', ...target], {
    exitCode: 2,
    code: 'SERIES_AMBIGUOUS',
    message: 'docs, empty',
    hint: '--series',
  })
})
