import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli, type CliProcess } from '../helpers/cli-process.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { unusedPort } from '../helpers/http-server.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { seedServer } from '../helpers/server-seeds.js'
import { waitUntil } from '../helpers/wait-until.js'

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
const EACH_SECOND = "'* * * * * *'"
let folder: string
let running: CliProcess[]

beforeAll(() =>
  withApi(chroma().url, (api) =>
    seedServer(api, [{ ...home, name: 'docs', records: sampleBatch({ rows: 40, dimension: 8, first: 0 }) }]),
  ),
)

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-schedule-'))
  running = []
  await runJson(['repo', 'init', '--repo', path.join(folder, 'backups')])
})

afterEach(async () => {
  for (const each of running) {
    each.kill('SIGKILL')
    await each.ended
  }
  await rm(folder, { recursive: true })
})

async function configure(lines: readonly string[], url = chroma().url): Promise<string[]> {
  const file = path.join(folder, 'config.yaml')
  await writeFile(file, [`url: '${url}'`, 'storage_path: ./backups', 'series: docs', ...lines, ''].join('\n'))
  return ['--config', file, '--state-dir', path.join(folder, 'state')]
}

const onlyBackups = ['backup:', `  schedule: ${EACH_SECOND}`, 'verify:', '  enabled: false']
const repo = () => ['--repo', path.join(folder, 'backups')]
const backups = () => listedBackups(path.join(folder, 'backups'))

async function start(...args: readonly string[]): Promise<CliProcess> {
  const cli = await startCli(['schedule', 'run', ...args], { environment: { TMPDIR: folder } })
  running.push(cli)
  return cli
}

async function state(): Promise<unknown> {
  return JSON.parse(await readFile(path.join(folder, 'state', 'schedule.json'), 'utf8'))
}

test('--once runs what has never run, in order, and nothing the second time', async () => {
  const args = await configure(['retention: { keep_last: 3 }', "backup: { schedule: '0 2 * * *' }"])
  const file = path.join(folder, 'chroma.prom')
  const first = await runJson(['schedule', 'run', '--once', '--metrics-file', file, ...args])
  expect(first).toMatchObject({
    stopped: false,
    runs: [
      { profile: 'docs', task: 'backup', exitCode: 0, result: { backup: { counts: { records: 40 } } } },
      { task: 'verify', exitCode: 0, result: { status: 'ok', reports: [{ sample: 1 }] } },
      { task: 'prune', exitCode: 0, result: { applied: true } },
    ],
  })
  const metrics = await readFile(file, 'utf8')
  expect(metrics).toMatch(/^chroma_ops_backup_records\{profile="docs"\} 40$/m)
  expect(metrics).toMatch(/^chroma_ops_backup_last_verified_timestamp_seconds\{profile="docs"\} \d+/m)
  expect(metrics).toMatch(/^chroma_ops_task_failures_total\{profile="docs",task="backup"\} 0$/m)
  expect(await runJson(['schedule', 'run', '--once', ...args])).toMatchObject({ runs: [] })
  expect(await runJson(['status', ...args])).toMatchObject({ status: 'ok' })
  expect(await listedBackups(path.join(folder, 'backups'))).toHaveLength(1)
})

test('profiles have tasks of their own; one that fails does not keep the others from running', async () => {
  const file = path.join(folder, 'profiles.yaml')
  const lines = [
    'repo: ./backups',
    'verify: { enabled: false }',
    'profiles:',
    "  gone: { url: 'http://127.0.0.1:9' }",
    `  first: { url: '${chroma().url}' }`,
    `  second: { path: '${chroma().directory}', backup: { type: full } }`,
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const flags = ['--once', '--all-profiles', '--config', file, '--state-dir', path.join(folder, 'state')]
  const run = await runJson(['schedule', 'run', ...flags, '--max-retries', '0'], 12)
  expect(run).toMatchObject({
    runs: [
      { profile: 'gone', exitCode: 12, result: { error: { code: expect.any(String) } } },
      { profile: 'first', exitCode: 0, result: { backup: { series: 'first', type: 'full' } } },
      { profile: 'second', exitCode: 0, result: { backup: { series: 'second', counts: { records: 40 } } } },
    ],
  })
})

test('killed in the middle of a backup, the next schedule makes up for it', async () => {
  let begun = false
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: ({ path: name }) => {
      if (!name.endsWith('/get')) return undefined
      begun = true
      return { kind: 'stall' }
    },
  })
  try {
    const daily = ['backup:', "  schedule: '0 0 1 1 *'", 'verify:', '  enabled: false']
    const args = await configure(daily, proxy.url)
    const cli = await start('--once', ...args)
    await waitUntil('the backup has begun', () => begun)
    cli.kill('SIGKILL')
    expect(await cli.ended).toMatchObject({ signal: 'SIGKILL' })
    expect(await state()).toMatchObject({
      tasks: { 'docs/backup': { running: { slot: expect.any(String) } } },
    })
    expect(await runJson(['status', ...args], 3)).toMatchObject({
      instances: [{ findings: expect.arrayContaining([expect.objectContaining({ id: 'RUN_DIED' })]) }],
    })

    // The slot was in January, and yet it is not forgotten: not with --once, but by one that goes on.
    const again = await start('--log-format', 'json', ...(await configure(daily)))
    await waitUntil('there is a backup', async () => (await backups()).length === 1)
    await waitUntil('it has ended', async () => !JSON.stringify(await state()).includes('"started"'))
    again.kill('SIGTERM')
    const { exitCode, stderr } = await again.ended
    expect(exitCode).toBe(0)
    const lines = stderr
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    expect(lines).toContainEqual(expect.objectContaining({ code: 'RUN_KILLED' }))
    expect(lines).toContainEqual(
      expect.objectContaining({ profile: 'docs', task: 'backup', exitCode: 0, complete: true }),
    )
  } finally {
    await proxy.close()
  }
})

test('SIGTERM in the middle of a backup leaves nothing behind, and it is made up for', async () => {
  let stall = true
  let begun = false
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: ({ path: name }) => {
      if (!stall || !name.endsWith('/get')) return undefined
      begun = true
      return { kind: 'stall' }
    },
  })
  try {
    const args = await configure(onlyBackups, proxy.url)
    const cli = await start(...args)
    await waitUntil('the backup has begun', () => begun)
    cli.kill('SIGTERM')
    expect(await cli.ended).toMatchObject({ exitCode: 0, signal: null })
    expect(await state()).toMatchObject({ tasks: { 'docs/backup': { running: null, runs: 0 } } })
    expect(await runJson(['status', ...args, '--max-backup-age', '0'], 3)).toMatchObject({
      instances: [{ backups: { sessions: [], backups: 0 } }],
    })
    stall = false
    expect(await runJson(['schedule', 'run', '--once', ...args])).toMatchObject({ runs: [{ exitCode: 0 }] })
  } finally {
    await proxy.close()
  }
})

test('hooks get the result on their standard input; one that fails is told and changes nothing', async () => {
  const hook = path.join(folder, 'hook.mjs')
  const told = path.join(folder, 'told.json')
  await writeFile(
    hook,
    `import { writeFileSync } from 'node:fs'
     let text = ''
     for await (const piece of process.stdin) text += piece
     writeFileSync(${JSON.stringify(told)}, text)
     console.log('said by the hook: ' + process.argv[2])
     process.exitCode = Number(process.argv[3])`,
  )
  const node = JSON.stringify(process.execPath)
  const args = await configure([
    ...onlyBackups,
    'hooks:',
    `  success: [${node}, ${JSON.stringify(hook)}, '$HOME', '7']`,
    `  failure: [${node}, ${JSON.stringify(hook)}, 'it failed', '0']`,
  ])
  const run = await runCli(['schedule', 'run', '--once', ...args])
  expect(run.exitCode).toBe(3)
  expect(run.stderr).toContain('said by the hook: $HOME')
  expect(run.stderr).toContain('it ended with 7')
  expect(JSON.parse(await readFile(told, 'utf8'))).toMatchObject({
    profile: 'docs',
    task: 'backup',
    exitCode: 0,
    result: { backup: { status: 'complete' } },
  })
  expect(await state()).toMatchObject({ tasks: { 'docs/backup': { lastExitCode: 0, hookFailures: 1 } } })

  await rm(path.join(folder, 'backups'), { recursive: true })
  await rm(path.join(folder, 'state'), { recursive: true })
  const failed = await runCli(['schedule', 'run', '--once', ...args])
  expect(failed.exitCode).toBe(10)
  expect(failed.stderr).toContain('said by the hook: it failed')
  expect(JSON.parse(await readFile(told, 'utf8'))).toMatchObject({
    result: { error: { code: 'REPOSITORY_NOT_FOUND' } },
  })
})

test('a hook is not run for long, and not from a file that others can write', async () => {
  const node = JSON.stringify(process.execPath)
  const hooks = ['hooks:', '  timeout: 200ms', `  success: [${node}, '-e', 'setInterval(() => {}, 1000)']`]
  const args = await configure([...onlyBackups, ...hooks])
  const run = await runCli(['schedule', 'run', '--once', ...args])
  expect(run).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('it took longer than 0.2 s') })
  await chmod(path.join(folder, 'config.yaml'), 0o666)
  await expectFailure(['schedule', 'run', '--once', ...args], {
    exitCode: 15,
    code: 'CONFIG_UNTRUSTED',
    message: 'must not set hooks.success',
    hint: 'chmod o-w',
  })
})

test('metrics and health are served, to this machine only, until it stops', async () => {
  const args = await configure(onlyBackups)
  const port = await unusedPort()
  const cli = await start('--metrics-port', String(port), '--log-format', 'json', ...args)
  await waitUntil('there are two backups', async () => (await backups()).length > 1)
  const second = await runCli(['schedule', 'run', '--once', ...args])
  expect(second).toMatchObject({ exitCode: 11, stderr: expect.stringContaining('another schedule runs') })
  const ask = async (name: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/${name}`)
    return { status: response.status, text: await response.text() }
  }
  expect(await ask('healthz')).toEqual({ status: 200, text: 'ok\n' })
  expect(await ask('else')).toMatchObject({ status: 404 })
  const { status, text } = await ask('metrics')
  expect(status).toBe(200)
  expect(text).toMatch(/^chroma_ops_task_last_exit_code\{profile="docs",task="backup"\} 0$/m)
  expect(text).toMatch(/^chroma_ops_task_next_timestamp_seconds\{profile="docs",task="backup"\} \d+/m)
  cli.kill('SIGTERM')
  expect(await cli.ended).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('http://127.0.0.1:') })
})

test.each([
  ["backup: { schedule: 'often' }", 'the schedule "often"'],
  ['schedule: { timezone: Mars/Olympus }', 'Mars/Olympus'],
  ["hooks: { success: 'notify --ok' }", 'no shell reads this'],
  ['repo: ./other', 'are the same'],
  ['backup: { enabled: false }\nverify: { enabled: false }', 'enables no task'],
])('%s is told before anything runs', async (line, message) => {
  const args = await configure([line])
  const run = await runCli(['schedule', 'run', '--once', ...args])
  expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) })
  expect(await runJson(['backup', 'list', ...repo()])).toMatchObject({ backups: [] })
})
