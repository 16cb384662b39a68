import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { builtCli } from '../helpers/built-cli.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { FakeS3 } from '../helpers/fake-s3.js'
import { unusedPort } from '../helpers/http-server.js'
import { documentOf, type CliRun } from '../helpers/run-cli.js'
import { runNow } from '../helpers/run-now.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

let s3: FakeS3
let folder: string
let cli: string

beforeAll(async () => {
  cli = await builtCli()
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-stores-'))
  s3 = await FakeS3.start()
  await simpleCollection(api(), 'docs', 50)
})

afterAll(async () => {
  await s3.stop()
  await rm(folder, { recursive: true })
})

/** In a process of its own, because the SDK reads credentials from the environment of the process. */
function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}, wrap: readonly string[] = []) {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
    ...environment,
  }
  // `env` alone runs what follows it.
  const child = spawn('env', [...wrap, process.execPath, cli, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return new Promise<CliRun>((resolve) => {
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()))
    child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
    child.on('close', (code) => {
      resolve({ exitCode: code ?? -1, stdout, stderr })
    })
  })
}

const at = (repo: string, endpoint = s3.endpoint) => ['--repo', repo, '--endpoint-url', endpoint, '--json']
const quick = ['--max-retries', '1', '--retry-base-delay', '1ms']

describe('S3', () => {
  test('takes a backup and gives it back', async () => {
    const target = ['--url', chroma().url]
    const made = await run(['backup', '--init', ...target, ...at('s3://bucket/chroma')])
    expect([made.exitCode, documentOf(made)]).toMatchObject([0, { backup: { status: 'complete' } }])
    expect([...s3.objects().keys()].every((key) => key.startsWith('chroma/'))).toBe(true)
    const command = String(documentOf(made)['restoreCommand']).split(' ').slice(1)
    expect(command).toEqual(expect.arrayContaining(['--endpoint-url', s3.endpoint]))
    const restored = await run([...command, '--target-database', 'from-s3', '--json'])
    expect([restored.exitCode, documentOf(restored)]).toMatchObject([0, { equal: true, records: 50 }])
  })

  test('a mistyped prefix is not found, never a new repository', async () => {
    const listed = await run(['backup', 'list', ...at('s3://bucket/chrmoa')])
    expect(documentOf(listed)).toMatchObject({ error: { code: 'REPOSITORY_NOT_FOUND', exitCode: 10 } })
  })

  test('a missing bucket is 10', async () => {
    const result = await run(['repo', 'init', ...at('s3://no-such-bucket/x')])
    expect(documentOf(result)).toMatchObject({ error: { code: 'STORE_NOT_FOUND', exitCode: 10 } })
  })

  test('wrong credentials, and none, are 14', async () => {
    const wrong = await run(['repo', 'init', ...at('s3://bucket/x')], { AWS_SECRET_ACCESS_KEY: 'wrong' })
    expect(documentOf(wrong)).toMatchObject({ error: { code: 'STORE_ACCESS', exitCode: 14 } })
    const none = await run(['repo', 'init', ...at('s3://bucket/x')], {
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
    })
    expect(documentOf(none)).toMatchObject({ error: { code: 'STORE_ACCESS', exitCode: 14 } })
  })

  test('no permission to write is 14', async () => {
    s3.fault = ({ method }) =>
      method === 'PUT' ? { kind: 'status', status: 403, code: 'AccessDenied' } : null
    try {
      const result = await run(['repo', 'init', ...at('s3://bucket/denied')])
      expect(documentOf(result)).toMatchObject({ error: { code: 'STORE_ACCESS', exitCode: 14 } })
    } finally {
      s3.fault = () => null
    }
  })

  test('an endpoint where nobody answers is 12, told in seconds', async () => {
    const endpoint = `http://127.0.0.1:${await unusedPort()}`
    const result = await run(['backup', 'list', ...at('s3://bucket/x', endpoint), ...quick])
    expect(documentOf(result)).toMatchObject({ error: { exitCode: 12 } })
  })
})

describe('a local disk', () => {
  const canMount = runNow('unshare', ['--mount', 'true']).status === 0
  const withUnshare = canMount ? test : test.skip

  withUnshare(
    'that is full ends the backup and leaves the earlier ones (needs unshare --mount)',
    async () => {
      await simpleCollection(api(), 'large', 3_000)
      const script = `
      set -e
      mount -t tmpfs -o size=256k tmpfs "$FOLDER"
      "$@" backup --init --collection docs --series s
      dd if=/dev/zero of="$FOLDER/ballast" bs=1k count=160 2>/dev/null
      "$@" backup --series s > "$FOLDER.json" && exit 1
      "$@" backup verify --json`
      const disk = path.join(folder, 'disk')
      runNow('mkdir', [disk])
      const environment = {
        FOLDER: disk,
        CHROMA_OPS_REPO: path.join(disk, 'backups'),
        CHROMA_OPS_URL: chroma().url,
        CHROMA_OPS_TEMP_DIR: folder,
      }
      const wrap = ['unshare', '--mount', 'sh', '-c', script, 'sh']
      const { exitCode, stdout, stderr } = await run([], environment, wrap)
      expect(stderr).toContain('error: ')
      expect(stderr).toMatch(/no space left|full/i)
      expect(exitCode).toBe(0)
      expect(JSON.parse(stdout.slice(stdout.indexOf('{"')))).toMatchObject({
        status: 'ok',
        reports: [{ status: 'ok' }],
      })
    },
  )
})
