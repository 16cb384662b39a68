import { expect, test } from '@jest/globals'

import { documentOf, runCli } from '../helpers/run-cli.js'

const repo = ['--repo', 'memory://repo-commands']

test('init makes a repository once, and does no harm the second time', async () => {
  const first = documentOf(await runCli(['repo', 'init', ...repo, '--json']))
  expect(first).toEqual({
    repository: 'memory://repo-commands',
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    created: true,
  })
  expect(documentOf(await runCli(['repo', 'init', ...repo, '--json']))).toEqual({ ...first, created: false })
})

test('check tells what the store keeps of its promises', async () => {
  const { exitCode, stdout } = await runCli(['repo', 'check', ...repo])
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^read-after-write +kept/m)
})
