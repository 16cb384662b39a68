import { appendFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { apiForSuite, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite, testCacheDir } from '../helpers/chroma-server.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleRecords } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let folder: string
let damaged: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-health-cli-'))
  await api().add(
    await newCollection(api(), { name: 'docs', hnsw: { sync_threshold: 10 } }),
    simpleRecords(0, 40),
  )
  damaged = path.join(folder, 'damaged')
  await cp(chroma().directory, damaged, { recursive: true })
  await appendFile(path.join(damaged, 'notes.txt'), 'x')
  for (const name of ['embeddings', 'indexes'])
    await cp(damaged, path.join(folder, name), { recursive: true })
  await rm(path.join(damaged, 'chroma.sqlite3'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

const health = (directory: string, ...args: readonly string[]) =>
  runCli(['health', '--path', directory, '--cache-dir', testCacheDir, ...args])

describe('health --path', () => {
  test('tells of a directory that a server works on, and names the server', async () => {
    const { exitCode, stdout } = await health(chroma().directory)
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/default_tenant\/default_database\/docs +ok +40 +3 +l2/)
    expect(stdout).toContain(`in use by process ${chroma().pid}`)
    expect(stdout).toContain('data of Chroma 1.5.0 and newer')
  })

  test('is one document with --json, and 4 where the database is gone', async () => {
    const run = await health(damaged, '--json')
    expect(run.exitCode).toBe(4)
    expect(documentOf(run)).toMatchObject({
      status: 'critical',
      path: damaged,
      database: null,
      findings: [{ id: 'NO_DATABASE', evidence: expect.stringContaining(`in ${folder}`) }],
    })
    const folderInstead = path.join(folder, 'folder-instead')
    await mkdir(path.join(folderInstead, 'chroma.sqlite3'), { recursive: true })
    expect((await health(folderInstead)).stdout).toContain('critical NO_DATABASE')
    expect((await health(damaged)).stdout).not.toContain(folderInstead)
    const nowhere = await health(path.join(folder, 'nowhere'), '--json')
    expect([nowhere.exitCode, documentOf(nowhere)['status']]).toEqual([4, 'critical'])
    const file = path.join(damaged, 'a-file')
    await writeFile(file, '')
    const ofFile = await health(file, '--json')
    expect(ofFile.exitCode).toBe(4)
    expect(documentOf(ofFile)).toMatchObject({
      findings: [{ evidence: expect.stringContaining('is not a directory') }],
    })
  })

  test('speaks to monitoring', async () => {
    const { stdout } = await health(chroma().directory, '--format', 'prometheus')
    expect(stdout).toMatch(/^chroma_ops_collection_vectors_lost\{.*collection="docs"\} 0$/m)
    expect(stdout).toMatch(/^chroma_ops_directory_disk_free_bytes \d+$/m)
    const nagios = await health(damaged, '--format', 'nagios')
    expect([nagios.exitCode, nagios.stdout.slice(0, 18)]).toEqual([2, 'CHROMA CRITICAL - '])
  })

  test('compares with the server that is named too', async () => {
    const run = await health(chroma().directory, '--url', chroma().url, '--json')
    expect(run.exitCode).toBe(0)
    expect(documentOf(run)['server']).toMatchObject({ collections: 1, differences: [] })
  })

  test('with a repository, tells how old the newest backup is', async () => {
    const repo = path.join(folder, 'repo')
    await runCli(['repo', 'init', '--repo', repo])
    const none = await health(chroma().directory, '--repo', repo, '--json')
    expect(documentOf(none)).toMatchObject({
      backup: { id: null },
      findings: expect.arrayContaining([
        expect.objectContaining({ id: 'BACKUP_MISSING', command: expect.stringContaining(`--repo ${repo}`) }),
      ]),
    })
    await runCli(['backup', '--url', chroma().url, '--repo', repo])
    const later = { now: () => new Date(Date.now() + 10 * 24 * 3_600_000) }
    const old = await runCli(['health', '--path', chroma().directory, '--repo', repo, '--json'], later)
    expect(old.exitCode).toBe(3)
    expect(documentOf(old)).toMatchObject({ status: 'degraded', findings: [{ id: 'BACKUP_OLD' }, {}, {}] })
  })

  test('rehearses an upgrade', async () => {
    const { exitCode, stdout } = await health(path.join(folder, 'indexes'), '--upgrade-to', '1.5')
    expect(stdout).toMatch(
      /rehearsed on a copy with the installed server \(.*\): 1 collection read back whole/,
    )
    expect(exitCode).toBe(0)
  })

  test.each([
    [['--deadline', '1s'], '--deadline is for servers'],
    [['--upgrade-to', 'next'], '"next" is not a version of Chroma'],
    [['--watch', '--json'], '--watch has no end'],
  ])('%j is refused', async (args, message) => {
    const { exitCode, stderr, stdout } = await health(damaged, ...args)
    expect([exitCode, stderr + stdout]).toEqual([2, expect.stringContaining(message)])
  })
})
