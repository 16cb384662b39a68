import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { runJson } from '../helpers/outcomes.js'
import { idOf } from '../helpers/repositories.js'
import { runCli } from '../helpers/run-cli.js'
import { dropCollections } from '../helpers/server-contents.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const warned = [{ code: 'BACKUP_FROM_FUTURE', message: expect.stringContaining('clock') }]
const dayAhead = { now: () => new Date(Date.now() + 86_400_000) }

let folder: string
let repo: readonly string[]
let ahead: string
let honest: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-clock-'))
  repo = ['--repo', path.join(folder, 'backups')]
  const backUp = ['backup', '--init', '--url', chroma().url, ...repo]
  await simpleCollection(api(), 'docs', 20)
  ahead = idOf((await runJson(backUp, 0, dayAhead))['backup'])
  await simpleCollection(api(), 'more', 20)
  const later = await runCli(backUp)
  expect(later.stderr).toContain('later than this machine')
  honest = /restore (\S+) --repo/.exec(later.stdout)?.[1] ?? ''
})

afterAll(() => rm(folder, { recursive: true }))

test('a backup from a clock a day ahead is marked in the list, in text and as a warning', async () => {
  expect(await runJson(['backup', 'list', ...repo])).toMatchObject({
    backups: [{ id: ahead }, { id: honest }],
    warnings: warned,
  })
  const { stdout, stderr, exitCode } = await runCli(['backup', 'list', ...repo])
  const [, first, second] = stdout.split('\n')
  expect(exitCode).toBe(0)
  expect(first).toContain('(yet to come)')
  expect(second).not.toContain('(yet to come)')
  expect(stderr).toContain(`warning: ${ahead} says that it was made at`)
})

test('whoever gets it as the latest is told; whoever names the other one is not', async () => {
  expect(await runJson(['backup', 'show', ...repo])).toMatchObject({
    backup: { id: ahead },
    warnings: warned,
  })
  expect(await runJson(['backup', 'show', honest, ...repo])).toMatchObject({ warnings: [] })
  const verified = await runCli(['backup', 'verify', 'latest', ...repo])
  expect(verified.stderr).toContain('ran ahead')
})

test('a restore of the latest says so, in its plan and when it acts', async () => {
  await dropCollections(chroma().url)
  const restore = ['restore', 'latest', '--url', chroma().url, ...repo]
  expect(await runJson([...restore, '--dry-run'])).toMatchObject({ backup: ahead, warnings: warned })
  const { stdout, stderr, exitCode } = await runCli([...restore, '--json'])
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ backup: ahead, equal: true, warnings: warned })
  expect(stderr).toContain('ran ahead')
})

test('once its time has come there is nothing to tell', async () => {
  const nextWeek = { now: () => new Date(Date.now() + 7 * 86_400_000) }
  expect(await runJson(['backup', 'list', ...repo], 0, nextWeek)).toMatchObject({ warnings: [] })
})
