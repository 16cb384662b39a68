import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite, testCacheDir } from '../helpers/chroma-server.js'
import { unusedPort } from '../helpers/http-server.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

let folder: string
let repo: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-lifecycle-'))
  repo = path.join(folder, 'backups')
  await simpleCollection(api(), 'docs', 300)
  await simpleCollection(api(), 'images', 20, 'cosine')
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

const host = { environment: { CHROMA_OPS_ACTOR: 'the-night-shift' } }
const run = (...args: readonly string[]) => runCli([...args, '--repo', repo], host)
const document = async (...args: readonly string[]) => documentOf(await run(...args, '--json'))
const atServer = (...args: readonly string[]) => run(...args, '--url', chroma().url)
const documentAtServer = (...args: readonly string[]) => document(...args, '--url', chroma().url)

/** The id of the newest backup. */
async function newest(): Promise<string> {
  const { backup } = await document('backup', 'show')
  return field(backup, 'id')
}

function field(value: unknown, name: string): string {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return String(new Map(entries).get(name))
}

describe('backup', () => {
  test('needs a repository, and makes one when asked to', async () => {
    const missing = await documentAtServer('backup')
    expect(missing).toMatchObject({ error: { code: 'REPOSITORY_NOT_FOUND', exitCode: 10 } })
    const { exitCode, stderr, stdout } = await atServer(
      'backup',
      '--init',
      '--series',
      'nightly',
      '--tag',
      'why=test',
    )
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(/^created repository [0-9a-f]{32} at /)
    expect(stdout).toContain('2 collections, 320 records')
    expect(stdout).toMatch(/^scope +all databases of default_tenant$/m)
    expect(stdout).toContain(`chroma-ops restore ${await newest()} --repo ${repo} --url ${chroma().url}`)
  })

  test('the document is the backup, its collections, and how to restore it', async () => {
    const result = await documentAtServer('backup', 'create', '--series', 'nightly')
    expect(result).toEqual({
      repository: repo,
      backup: expect.objectContaining({
        id: expect.stringMatching(/^\d{8}T\d{6}Z-nightly-/),
        series: 'nightly',
        type: 'incremental',
        status: 'complete',
        actor: 'the-night-shift',
        counts: { collections: 2, failedCollections: 0, records: 320, missingVectors: 0 },
      }),
      collections: [
        expect.objectContaining({
          name: 'docs',
          records: 300,
          dimension: 3,
          status: 'complete',
          error: null,
        }),
        expect.objectContaining({ name: 'images', records: 20 }),
      ],
      unchangedCollections: expect.any(Number),
      resumed: null,
      degraded: [],
      restoreCommand: expect.stringContaining('chroma-ops restore '),
    })
    expect(JSON.stringify(result)).not.toContain('catalogue')
  })

  test('--dry-run tells what it would do and writes nothing', async () => {
    const before = await readdir(path.join(repo, 'backups'))
    const plan = await documentAtServer(
      'backup',
      '--dry-run',
      '--series',
      'nightly-docs',
      '--exclude',
      'images',
    )
    expect(plan).toMatchObject({ dryRun: true, records: 300, refusals: [], collections: [{ name: 'docs' }] })
    expect(await readdir(path.join(repo, 'backups'))).toEqual(before)
  })

  test('--dry-run with --init plans for a repository that is not there, and does not make it', async () => {
    const missing = path.join(repo, '..', 'not-there')
    const args = ['backup', '--dry-run', '--url', chroma().url, '--repo', missing]
    expect(documentOf(await runCli([...args, '--json']))).toMatchObject({ error: { exitCode: 10 } })
    const plan = documentOf(await runCli([...args, '--init', '--json']))
    expect(plan).toMatchObject({ repository: missing, dryRun: true, records: 320, previous: null })
    await expect(readdir(missing)).rejects.toThrow('ENOENT')
  })

  test('the series comes from the target when nothing names one', async () => {
    const { series } = await documentAtServer('backup', '--dry-run')
    expect(series).toBe(new URL(chroma().url).host.replaceAll(/[.:]/g, '-'))
  })

  test.each([
    [['--collection', 'nope'], 10, 'COLLECTION_NOT_FOUND'],
    [['--tenant', 'nobody'], 10, 'TENANT_NOT_FOUND'],
    [['--database', 'nowhere'], 10, 'DATABASE_NOT_FOUND'],
    [['--series', 'Not A Series'], 2, 'USAGE'],
    [['--collection', 'a/b/c/d'], 2, 'USAGE'],
    [['--exclude', '*', '--series', 'new'], 15, 'SOURCE_EMPTY'],
  ])('%j is %d', async (args, exitCode, code) => {
    expect(await documentAtServer('backup', ...args)).toMatchObject({ error: { code, exitCode } })
  })

  test('a server that is not there is 12, told in seconds', async () => {
    const url = `http://127.0.0.1:${await unusedPort()}`
    const result = await document('backup', '--url', url, '--max-retries', '1', '--retry-base-delay', '1ms')
    expect(result).toMatchObject({ error: { code: 'SERVER_UNREACHABLE', exitCode: 12 } })
  })

  test('every change is in the audit log, also one that failed', async () => {
    await documentAtServer('backup', '--collection', 'nope')
    const log = path.join(repo, 'log')
    const lines = await Promise.all(
      (await readdir(log)).map(async (name): Promise<unknown> =>
        JSON.parse(await readFile(path.join(log, name), 'utf8')),
      ),
    )
    expect(lines).toContainEqual(
      expect.objectContaining({
        actor: 'the-night-shift',
        command: 'backup create',
        result: expect.objectContaining({ outcome: 'done', status: 'complete' }),
      }),
    )
    expect(lines).toContainEqual(
      expect.objectContaining({
        result: expect.objectContaining({ outcome: 'failed', code: 'COLLECTION_NOT_FOUND', exitCode: 10 }),
      }),
    )
  })
})

describe('backup list, show and verify', () => {
  test('list has every backup, the newest first', async () => {
    const { backups } = await document('backup', 'list')
    expect(backups).toMatchObject([{ damaged: null }, { tags: { why: 'test' }, damaged: null }])
    const { stdout } = await run('backup', 'list')
    expect(stdout.split('\n')[1]).toMatch(/nightly.*incremental +complete +2 +320 /)
    expect(await document('backup', 'list', '--series', 'other')).toMatchObject({ backups: [] })
  })

  test('show has the collections of one', async () => {
    const shown = await document('backup', 'show', 'latest~1')
    expect(shown).toMatchObject({
      backup: { tags: { why: 'test' } },
      collections: [{ name: 'docs' }, { name: 'images' }],
    })
    expect(await document('backup', 'show', 'nope')).toMatchObject({
      error: { code: 'BACKUP_NOT_FOUND', exitCode: 10 },
    })
  })

  test('verify reads all of them, or one, or a sample', async () => {
    expect(await document('backup', 'verify')).toMatchObject({
      status: 'ok',
      reports: [{ status: 'ok', sample: 1 }, { status: 'ok' }],
      unreadable: [],
    })
    expect(
      await document('backup', 'verify', 'latest', '--sample', '50%', '--depth', 'stored'),
    ).toMatchObject({
      reports: [{ sample: 0.5 }],
    })
    expect((await run('backup', 'verify')).stdout).toMatch(/\nall 2 backups ok, [\d.]+ KiB .*read in \d/)
    const { stdout } = await run('backup', 'verify', 'latest', '--depth', 'records')
    expect(stdout).not.toContain('all')
    expect(stdout).toMatch(/^ok .*every one of 320 records/)
  })

  test('verify --against compares with the server', async () => {
    const { exitCode, stdout } = await run('backup', 'verify', '--against', chroma().url)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('equal default_tenant/default_database/docs: 300 records')
    const moved = ['--against', chroma().url, '--target-database', 'elsewhere']
    expect(await document('backup', 'verify', 'latest', ...moved)).toMatchObject({
      status: 'different',
      collections: [{ status: 'missing' }, { status: 'missing' }],
      exitCode: 3,
    })
  })
})

describe('restore', () => {
  test('refuses collections that are there, 15, and --dry-run says so', async () => {
    const refused = await documentAtServer('restore', 'latest')
    expect(refused).toMatchObject({ error: { code: 'RESTORE_TARGET_EXISTS', exitCode: 15 } })
    const { exitCode, stdout } = await atServer('restore', 'latest', '--dry-run')
    expect(exitCode).toBe(15)
    expect(stdout).toContain('would be refused: default_tenant/default_database/docs exists already')
  })

  test('under other names, compared record by record', async () => {
    const args = ['--collection', 'docs', '--rename', 'docs=copy', '--target-database', 'spare']
    const result = await documentAtServer('restore', 'latest', ...args)
    expect(result).toMatchObject({
      backup: await newest(),
      mode: 'create',
      equal: true,
      records: 300,
      collections: [
        { target: { database: 'spare', name: 'copy' }, action: 'create', comparison: { equal: true } },
      ],
    })
    const copy = await api().getCollection({ tenant: 'default_tenant', database: 'spare', name: 'copy' })
    expect(await api().count(copy)).toBe(300)
  })

  test('--no-compare restores and says that nothing was proven', async () => {
    const args = ['--collection', 'docs', '--target-database', 'unproven', '--no-compare']
    const { exitCode, stdout } = await atServer('restore', 'latest', ...args)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('not compared with the backup')
  })

  test('the command that a backup prints brings back what is lost', async () => {
    const { restoreCommand } = await documentAtServer(
      'backup',
      '--series',
      'nightly',
      '--allow-shrink',
      '--database',
      'default_database',
    )
    const name = { tenant: 'default_tenant', database: 'default_database', name: 'images' }
    for (const lost of ['docs', 'images'])
      await api().deleteCollection(await api().getCollection({ ...name, name: lost }))
    const [program, ...args] = String(restoreCommand).split(' ')
    expect(program).toBe('chroma-ops')
    const { exitCode, stdout } = await runCli(args, host)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('every record compared with the backup: equal')
    expect(await api().count(await api().getCollection(name))).toBe(20)
  })

  test('--in-place takes the destination from the environment', async () => {
    const environment = { CHROMA_OPS_URL: chroma().url, CHROMA_OPS_REPO: repo }
    const args = ['restore', 'latest', '--in-place', '--mode', 'missing', '--json']
    expect(documentOf(await runCli(args, { environment }))).toMatchObject({ equal: true, written: 0 })
  })
})

test('backup drill restores into a server of its own', async () => {
  const { exitCode, stdout } = await run('backup', 'drill', '--cache-dir', testCacheDir, '--probes', '2')
  expect(stdout).toContain('was restored into a temporary server and compared')
  expect(exitCode).toBe(0)
})
