import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli } from '../helpers/cli-process.js'
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { seedServer } from '../helpers/server-seeds.js'

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let repo: readonly string[]
let proxy: FaultProxy
let arrived: Promise<void>
let release: () => void

beforeAll(() =>
  withApi(chroma().url, (api) =>
    seedServer(api, [{ ...home, name: 'docs', records: sampleBatch({ rows: 40, dimension: 8, first: 0 }) }]),
  ),
)

/** A server that lets a backup wait for its records until `release` is called. */
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-if-running-'))
  repo = ['--repo', path.join(folder, 'backups'), '--series', 'docs']
  await runJson(['repo', 'init', '--repo', path.join(folder, 'backups')])
  let arrive: () => void = () => {}
  arrived = new Promise((resolve) => (arrive = resolve))
  const released = new Promise<void>((resolve) => (release = resolve))
  proxy = await startFaultProxy({
    target: chroma().url,
    decide: async ({ path: name }) => {
      if (!name.endsWith('/get')) return undefined
      arrive()
      await released
      return undefined
    },
  })
})

afterEach(async () => {
  release()
  await proxy.close()
  await rm(folder, { recursive: true })
})

const slow = () => ['backup', '--url', proxy.url, ...repo]
const quick = () => ['backup', '--url', chroma().url, ...repo]

test('while a backup of the series is made: 11, or it is skipped, or waited for', async () => {
  const first = runJson(slow())
  await arrived
  await expectFailure(quick(), {
    exitCode: 11,
    code: 'BACKUP_RUNNING',
    message: 'a backup of series docs is being made',
    hint: '--if-running wait',
  })
  expect(await runJson([...quick(), '--if-running', 'skip'])).toMatchObject({
    backup: null,
    skipped: { series: 'docs', kind: 'backup', state: 'running', actor: expect.any(String) },
  })
  const skipped = await runCli([...quick(), '--if-running', 'skip'])
  expect(skipped).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('skipped') })
  const limited = await runCli([...quick(), '--if-running', 'wait', '--timeout', '300ms'])
  expect(limited.exitCode).toBe(18)
  expect(await runJson(['status', '--url', chroma().url, '--repo', repo[1] ?? ''], 3)).toMatchObject({
    instances: [{ backups: { sessions: [{ series: 'docs', state: 'running' }] } }],
  })
  const waiting = runJson([...quick(), '--if-running', 'wait'])
  release()
  const [one, two] = await Promise.all([first, waiting])
  expect(two['backup']).toMatchObject({ parent: idIn(one) })
  expect(await listedBackups(repo[1] ?? '')).toHaveLength(2)
})

test('one that was killed keeps nobody waiting', async () => {
  const cli = await startCli(slow(), { environment: { TMPDIR: folder } })
  await arrived
  cli.kill('SIGKILL')
  await cli.ended
  expect(await runJson(quick())).toMatchObject({ backup: { status: 'complete' } })
})

function idIn({ backup }: Record<string, unknown>): unknown {
  return typeof backup === 'object' && backup !== null && 'id' in backup ? backup.id : undefined
}
