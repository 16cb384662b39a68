import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { expectFailure } from '../helpers/outcomes.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

const repo = ['--repo', 'memory://repo-commands']
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-repo-'))
})

afterAll(() => rm(folder, { recursive: true }))

test('init makes a repository once, and does no harm the second time', async () => {
  const first = documentOf(await runCli(['repo', 'init', ...repo, '--json']))
  expect(first).toEqual({
    repository: 'memory://repo-commands',
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    created: true,
    encrypted: false,
  })
  expect(documentOf(await runCli(['repo', 'init', ...repo, '--json']))).toEqual({ ...first, created: false })
})

test('check tells what the store keeps of its promises', async () => {
  const { exitCode, stdout } = await runCli(['repo', 'check', ...repo])
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^read-after-write +kept/m)
})

test('check of a folder leaves nothing behind in it', async () => {
  const there = path.join(folder, 'there')
  await mkdir(there)
  expect(await runCli(['repo', 'check', '--repo', there])).toMatchObject({ exitCode: 0 })
  expect(await readdir(there)).toEqual([])
})

test('check of a mistyped path is 10, and makes no folder', async () => {
  const before = await readdir(folder)
  await expectFailure(['repo', 'check', '--repo', path.join(folder, 'mistyped')], {
    exitCode: 10,
    code: 'STORE_NOT_FOUND',
    message: 'mistyped',
    hint: 'check the path',
  })
  expect(await readdir(folder)).toEqual(before)
})

const onLinux = process.platform === 'linux' ? test : test.skip
onLinux('init where no folder can be made is 16, and says what is wrong with the place', async () => {
  await expectFailure(['repo', 'init', '--repo', '/proc/backups'], {
    exitCode: 16,
    code: 'STORE_UNSUPPORTED',
    message: '/proc takes no new folders',
    hint: 'name a folder on a disk',
  })
})

test('init below a file is 2', async () => {
  await expectFailure(['repo', 'init', '--repo', path.join(process.execPath, 'backups')], {
    exitCode: 2,
    code: 'USAGE',
    message: 'a part of the path is a file',
  })
})
