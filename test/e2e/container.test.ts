import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli, type CliProcessOptions } from '../helpers/cli-process.js'
import { sampleBatch } from '../helpers/records.js'
import { withApi } from '../helpers/restores.js'
import { runNow } from '../helpers/run-now.js'
import {
  dropCollections,
  expectSameContents,
  serverContents,
  type ServerContents,
} from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'
import { canMount } from '../helpers/small-disk.js'

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
/** The only folder that may be written to. */
let data: string
let contents: ServerContents

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-container-'))
  await chmod(folder, 0o755)
  await withApi(chroma().url, (api) =>
    seedServer(api, [{ ...home, name: 'docs', records: sampleBatch({ rows: 120, dimension: 6 }) }]),
  )
  contents = await serverContents(chroma().url)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

let runs = 0
beforeEach(async () => {
  data = path.join(folder, `data-${++runs}`)
  await mkdir(data)
  await chmod(data, 0o777)
})

/** The whole life of a backup, one process for each step. */
async function expectAllWorks(options: CliProcessOptions, ...flags: readonly string[]): Promise<void> {
  const repo = ['--repo', path.join(data, 'backups'), ...flags]
  const url = ['--url', chroma().url]
  await expectRun(['backup', '--init', ...url, ...repo], options)
  await expectRun(['backup', 'verify', '--depth', 'records', ...repo], options)
  await expectRun(['backup', 'verify', '--against', chroma().url, ...repo], options)
  await dropCollections(chroma().url)
  await expectRun(['restore', 'latest', ...url, ...repo], options)
  await expectRun(['health', ...url, ...flags], options)
  expectSameContents(await serverContents(chroma().url), contents)
}

async function expectRun(args: readonly string[], options: CliProcessOptions): Promise<void> {
  const cli = await startCli([...args, '--json'], { cwd: '/', ...options })
  const { exitCode, stdout, stderr } = await cli.ended
  if (exitCode !== 0)
    throw new Error(`${args.join(' ')} ended with ${exitCode ?? 'a signal'}: ${stdout}${stderr}`)
  expect(JSON.parse(stdout)).not.toHaveProperty('error')
  expect(stderr).not.toContain('error')
}

test('without HOME, and with nothing in the environment', async () => {
  await expectAllWorks({ environment: { TMPDIR: data } })
})

const project = path.resolve(import.meta.dirname, '../..')
const stranger = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups']
// The stranger must be able to read the program; in a private home folder nobody but the owner is.
const canBeStranger =
  process.getuid?.() === 0 &&
  runNow('setpriv', [
    ...stranger.slice(1),
    process.execPath,
    '-e',
    `fs.accessSync(${JSON.stringify(project)})`,
  ]).status === 0
const withStranger = canBeStranger ? test : test.skip

withStranger('with a user id that nobody knows (needs root and setpriv)', async () => {
  await expectAllWorks({ wrapper: stranger }, '--temp-dir', data, '--state-dir', path.join(data, 'state'))
})

withStranger('with a repository that this user must not write: 14, and reading it goes on', async () => {
  const repo = path.join(data, 'backups')
  await expectRun(['backup', '--init', '--url', chroma().url, '--repo', repo], {})
  const cli = await startCli(
    ['backup', '--url', chroma().url, '--repo', repo, '--json', '--temp-dir', data],
    {
      wrapper: stranger,
      cwd: '/',
    },
  )
  const { exitCode, stdout } = await cli.ended
  expect(exitCode).toBe(14)
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: 'STORE_ACCESS', message: expect.stringContaining('permission denied') },
  })
  await expectRun(['backup', 'list', '--repo', repo], { wrapper: stranger })
  await expectRun(['backup', 'verify', '--repo', repo], { wrapper: stranger })
})

const withMount = canMount ? describe : describe.skip

withMount('on a read-only root (needs unshare and mount)', () => {
  const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind / && shift && exec "$@"'
  const readOnlyRoot = () => ['unshare', '-rm', 'sh', '-c', script, 'sh', data]

  test('writing only where it was told to', async () => {
    await expectAllWorks(
      { wrapper: readOnlyRoot() },
      '--temp-dir',
      data,
      '--state-dir',
      path.join(data, 'state'),
    )
  })

  test('with no folder for temporary files: 2, which names the flag', async () => {
    const args = ['backup', '--init', '--url', chroma().url, '--repo', path.join(data, 'backups'), '--json']
    const cli = await startCli(args, { wrapper: readOnlyRoot(), cwd: '/', environment: { TMPDIR: '/tmp' } })
    const { exitCode, stdout } = await cli.ended
    expect(exitCode).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ error: { hint: expect.stringContaining('--temp-dir') } })
  })

  test('with a repository on it: 14', async () => {
    const args = ['backup', '--init', '--url', chroma().url, '--repo', path.join(folder, 'ro'), '--json']
    const cli = await startCli(args, { wrapper: readOnlyRoot(), cwd: '/', environment: { TMPDIR: data } })
    const { exitCode, stdout } = await cli.ended
    expect(exitCode).toBe(14)
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'STORE_ACCESS', message: expect.stringContaining('read-only') },
    })
  })
})
