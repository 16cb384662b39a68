import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { startHttpServer } from '../helpers/http-server.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { expectFailure, impatient, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { seedServer } from '../helpers/server-seeds.js'

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let config: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-status-'))
  config = path.join(folder, 'config.yaml')
  await withApi(chroma().url, (api) =>
    seedServer(api, [{ ...home, name: 'docs', records: sampleBatch({ rows: 40, dimension: 8, first: 0 }) }]),
  )
  await writeFile(
    config,
    [
      'repo: ./backups',
      'profiles:',
      `  good: { url: '${chroma().url}' }`,
      `  fresh: { url: '${chroma().url}', repo: ./empty }`,
      `  files: { path: '${chroma().directory}' }`,
      "  gone: { url: 'http://127.0.0.1:9', repo: ./nowhere }",
      '',
    ].join('\n'),
  )
  await runJson(['repo', 'init', '--repo', path.join(folder, 'empty')])
  for (const profile of ['good', 'files'])
    await runJson(['backup', '--config', config, '--profile', profile, '--init'])
  await runJson(['backup', 'drill', '--config', config, '--profile', 'good', '--series', 'good'])
})

afterAll(() => rm(folder, { recursive: true }))

const all = () => ['status', '--all-profiles', '--config', config, ...impatient]

test('one line for each profile; one that is gone does not keep the others from being told', async () => {
  const document = await runJson(all(), 4)
  expect(document).toMatchObject({
    status: 'critical',
    instances: [
      {
        name: 'good',
        profile: 'good',
        target: chroma().url,
        status: 'ok',
        health: { status: 'ok', reachable: true },
        backups: {
          series: 'good',
          backups: 1,
          lastBackup: { series: 'good', counts: { records: 40 } },
          lastVerified: expect.any(String),
          lastDrill: expect.any(String),
          recoveryMs: expect.any(Number),
          repositoryBackups: 2,
          sessions: [],
          maintenance: null,
        },
        findings: [],
      },
      { name: 'fresh', status: 'degraded', findings: [{ id: 'NO_BACKUP' }] },
      {
        name: 'files',
        status: 'ok',
        target: chroma().directory,
        backups: { lastBackup: { type: 'physical' } },
      },
      { name: 'gone', status: 'critical', health: { reachable: false }, backups: null },
    ],
  })
  const text = await runCli(all())
  expect(text.exitCode).toBe(4)
  expect(
    text.stdout
      .split('\n')
      .slice(0, 5)
      .map((line) => line.split(' ')[0]),
  ).toEqual(['profile', 'good', 'fresh', 'files', 'gone'])
  expect(text.stdout).toContain('no repository at')
})

test('what is too old is degraded, and 0 means that it does not matter', async () => {
  const one = ['status', '--config', config, '--profile', 'good']
  expect(await runJson(one)).toMatchObject({ status: 'ok' })
  const stale = await runJson([...one, '--max-backup-age', '1ms', '--max-drill-age', '1ms'], 3)
  expect(stale).toMatchObject({ instances: [{ findings: [{ id: 'BACKUP_STALE' }, { id: 'DRILL_STALE' }] }] })
  const files = ['status', '--config', config, '--profile', 'files', '--max-drill-age', '1d']
  expect(await runJson(files, 3)).toMatchObject({ instances: [{ findings: [{ id: 'DRILL_NEVER' }] }] })
  expect(await runJson([...one, '--max-backup-age', '0'])).toMatchObject({ status: 'ok' })
})

test('metrics are told, and written to a file as a whole', async () => {
  const file = path.join(folder, 'chroma.prom')
  const run = await runCli([...all(), '--format', 'prometheus', '--metrics-file', file])
  expect(run.stdout).toMatch(/^chroma_ops_profile_status\{profile="good"\} 0$/m)
  expect(run.stdout).toMatch(/^chroma_ops_profile_up\{profile="gone"\} 0$/m)
  expect(run.stdout).toMatch(/^chroma_ops_backup_last_drill_timestamp_seconds\{profile="good"\} \d+/m)
  expect(run.stdout).toMatch(/^chroma_ops_backup_records\{profile="files"\} 40$/m)
  const names = (text: string) => text.split('\n').map((line) => line.split(' ')[0])
  expect(names(await readFile(file, 'utf8'))).toEqual(names(run.stdout))
})

test('a store that never answers is told after the deadline', async () => {
  const silent = await startHttpServer(() => {})
  try {
    const args = ['status', '--url', chroma().url, '--repo', 's3://bucket/x', '--endpoint-url', silent.url]
    const environment = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
    expect(await runJson([...args, '--deadline', '1s'], 4, { environment })).toMatchObject({
      instances: [{ health: { status: 'ok' }, backups: null, findings: [{ id: 'REPOSITORY_UNREADABLE' }] }],
    })
  } finally {
    await silent.close()
  }
})

test('a target for all profiles, and all profiles without a file, are refused', async () => {
  await expectFailure([...all(), '--url', chroma().url], {
    exitCode: 2,
    code: 'USAGE',
    message: '--url and --all-profiles exclude each other',
  })
  const empty = path.join(folder, 'cwd')
  await mkdir(empty)
  await expectFailure(
    ['status', '--all-profiles'],
    { exitCode: 2, code: 'USAGE', message: 'no configuration file with profiles' },
    { cwd: empty },
  )
})
