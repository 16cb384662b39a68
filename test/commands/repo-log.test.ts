import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { runJson } from '../helpers/outcomes.js'
import { runCli } from '../helpers/run-cli.js'

let folder: string
let repo: readonly string[]

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-log-'))
  repo = ['--repo', path.join(folder, 'backups')]
})

afterEach(() => rm(folder, { recursive: true }))

const as = (actor: string, daysAgo: number) => ({
  environment: { CHROMA_OPS_ACTOR: actor },
  now: () => new Date(Date.now() - daysAgo * 86_400_000),
})

test('every change is in the log, with who made it and how it ended; what is damaged is told', async () => {
  await runJson(['repo', 'init', ...repo], 0, as('alice', 40))
  await runCli(['backup', 'hold', 'latest', ...repo], as('nobody', 3))
  await runCli(['backup', 'prune', '--keep-last', '1', '--apply', ...repo], as('bob', 2))
  expect(await runJson(['repo', 'log', '--since', '60d', ...repo])).toMatchObject({
    entries: [
      { actor: 'alice', command: 'repo init', result: { outcome: 'done' } },
      { actor: 'bob', command: 'backup prune' },
    ],
    damaged: [],
  })
  expect(await runJson(['repo', 'log', ...repo])).toMatchObject({ entries: [{ actor: 'bob' }] })
  const text = await runCli(['repo', 'log', ...repo])
  expect(text.stdout).toMatch(/bob +\S+ +backup prune +(done|failed)/)

  const log = path.join(folder, 'backups', 'log')
  const [, last = ''] = (await readdir(log)).sort()
  await writeFile(path.join(log, last), '{"format"')
  expect(await runJson(['repo', 'log', ...repo], 3)).toMatchObject({
    entries: [],
    damaged: [{ key: `log/${last}` }],
  })
})
