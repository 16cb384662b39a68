import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'

import { calendarOf } from '../../src/schedule/calendar.js'
import { runJson } from '../helpers/outcomes.js'
import { runCli } from '../helpers/run-cli.js'

const run = promisify(execFile)
const hasSystemd = await run('systemd-analyze', ['--version']).then(
  () => true,
  () => false,
)
const testWithSystemd = hasSystemd ? test : test.skip
let folder: string
let config: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-print-'))
  config = path.join(folder, 'chroma-ops.config.yaml')
  const lines = [
    'repo: s3://bucket/chroma',
    'retention: { keep_daily: 7 }',
    'schedule: { timezone: Europe/Berlin, jitter: 5m }',
    "backup: { schedule: '*/30 1-5 * * mon-fri' }",
    'drill: { enabled: true }',
    'profiles:',
    "  prod: { url: 'http://chroma:8000' }",
    "  files: { path: /data, verify: { enabled: false }, backup: { schedule: '0 3 1,15 * *' } }",
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
})

afterAll(() => rm(folder, { recursive: true }))

const print = (scheduler: string, ...flags: readonly string[]) =>
  runJson(['schedule', 'print', scheduler, '--all-profiles', '--config', config, ...flags])

async function filesOf(scheduler: string): Promise<{ name: string; text: string }[]> {
  const { files } = await print(
    scheduler,
    ...(scheduler === 'systemd' ? ['--command', process.execPath] : []),
  )
  if (!Array.isArray(files)) throw new Error('no files')
  return files.map((file: { name: string; text: string }) => file)
}

test('systemd gets a service and a timer for each task of each profile', async () => {
  const files = await filesOf('systemd')
  expect(files.map(({ name }) => name)).toEqual(
    [
      'prod-backup',
      'prod-verify',
      'prod-drill',
      'prod-prune',
      'files-backup',
      'files-drill',
      'files-prune',
    ].flatMap((task) => [`chroma-ops-${task}.service`, `chroma-ops-${task}.timer`]),
  )
  const [service, timer] = files
  expect(service?.text).toContain(
    `backup --if-running wait --series prod --config ${config} --profile prod\n`,
  )
  expect(timer?.text).toContain('OnCalendar=Mon..Fri *-*-* 01..05:0/30:00 Europe/Berlin\n')
  expect(timer?.text).toContain('RandomizedDelaySec=300\n')
})

testWithSystemd('systemd accepts the units', async () => {
  const files = await filesOf('systemd')
  for (const { name, text } of files) await writeFile(path.join(folder, name), text)
  const units = files.map(({ name }) => path.join(folder, name))
  const { stderr } = await run('systemd-analyze', ['verify', '--man=no', ...units]).catch(
    (error: unknown) => {
      throw new Error(String(error))
    },
  )
  expect(stderr).not.toContain(folder)
})

test('kubernetes gets a CronJob for each task, as YAML', async () => {
  const [file] = await filesOf('kubernetes')
  const documents = parseAllDocuments(file?.text ?? '')
  const jobs = documents.map((document): unknown => {
    if ('errors' in document) expect(document.errors).toEqual([])
    const plain: unknown = document.toJS()
    return plain
  })
  expect(jobs).toHaveLength(7)
  expect(jobs[0]).toMatchObject({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'chroma-ops-prod-backup' },
    spec: {
      schedule: '*/30 1-5 * * mon-fri',
      timeZone: 'Europe/Berlin',
      concurrencyPolicy: 'Forbid',
      jobTemplate: {
        spec: {
          template: {
            spec: {
              securityContext: { runAsNonRoot: true },
              containers: [
                {
                  args: expect.arrayContaining([
                    'backup',
                    '--config',
                    '/etc/chroma-ops/chroma-ops.config.yaml',
                  ]),
                  securityContext: { readOnlyRootFilesystem: true },
                },
              ],
            },
          },
        },
      },
    },
  })
  const { stdout } = await runCli(['schedule', 'print', 'kubernetes', '--all-profiles', '--config', config])
  expect(`${stdout.trimEnd()}\n`).toBe(file?.text)
})

test.each([
  ['0 2 * * *', '*-*-* 02:00:00 UTC'],
  ['*/15 * * * *', '*-*-* *:0/15:00 UTC'],
  ['0 5 * * 0', 'Sun *-*-* 05:00:00 UTC'],
  ['5,35 0-6/2 1 jan *', '*-01-01 00..06/2:05,35:00 UTC'],
])('cron "%s" is %s', (pattern, calendar) => {
  expect(calendarOf(pattern, 'UTC')).toBe(calendar)
})

test.each(['0 2 1 * mon', '0 0 2 * * *', '0 2 L * *', '0 2 * * 8'])(
  '"%s" is refused for systemd',
  (pattern) => {
    expect(() => calendarOf(pattern, 'UTC')).toThrow(expect.objectContaining({ code: 'USAGE' }))
  },
)
