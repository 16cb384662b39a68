import { Readable } from 'node:stream'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { documentOf, runCli } from '../helpers/run-cli.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-show-'))
  await writeFile(
    path.join(folder, 'chroma-ops.config.yaml'),
    'profiles:\n  prod:\n    url: http://user:pa55word@host:8000\n    repo: s3://bucket/x\n',
  )
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('config show', () => {
  const args = ['config', 'show', '--profile', 'prod', '--tenant', 'acme']
  const environment = { CHROMA_OPS_TOKEN: 't0psecret', CHROMA_API_KEY: 'ck-0987', CHROMA_OPS_POOL_MAX: '20' }

  test('tells each value and where it comes from', async () => {
    const document = documentOf(await runCli([...args, '--json'], { environment, cwd: folder }))
    expect(document).toMatchObject({ profile: 'prod', file: path.join(folder, 'chroma-ops.config.yaml') })
    expect(document['settings']).toEqual(
      expect.arrayContaining([
        {
          name: 'repo',
          value: 's3://bucket/x',
          from: 'file',
          source: expect.stringMatching(/profiles.prod.repo$/),
        },
        { name: 'tenant', value: ['acme'], from: 'flag', source: '--tenant' },
        { name: 'pool.max', value: '20', from: 'environment', source: 'CHROMA_OPS_POOL_MAX' },
        { name: 'connect_timeout', value: '10s', from: 'default', source: 'default' },
        { name: 'token', value: '***', from: 'environment', source: 'CHROMA_OPS_TOKEN' },
        { name: 'read_only', value: false, from: 'default', source: 'default' },
      ]),
    )
  })

  test.each([[['--json']], [[]]])('masks every secret, %j', async (more) => {
    const { stdout, stderr } = await runCli([...args, ...more], { environment, cwd: folder })
    expect(stdout).toContain('http://user:***@host:8000')
    for (const secret of ['t0psecret', 'ck-0987', 'pa55word']) expect(stdout + stderr).not.toContain(secret)
  })
})

describe('explain', () => {
  test('says what an error means and what helps', async () => {
    const { exitCode, stdout } = await runCli(['explain', 'Internal error: Error loading hnsw index'])
    expect(exitCode).toBe(0)
    expect(stdout).toContain('HNSW_UNLOADABLE')
    expect(stdout).toContain('What to do:')
  })

  test('reads a log from stdin', async () => {
    const stdin = Readable.from(['line one\nsqlite: database disk', ' image is malformed\n'])
    const document = documentOf(await runCli(['explain', '-', '--json'], { stdin }))
    expect(document).toMatchObject({ explanations: [{ finding: 'SQLITE_CORRUPT' }] })
  })
})
