import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { expectFailure, expectJsonFailure, runJson } from '../helpers/outcomes.js'
import { runCli } from '../helpers/run-cli.js'

let folder: string
let repo: readonly string[]
let keyFile: string
const withPassphrase = { environment: { CHROMA_OPS_PASSPHRASE: 'seven green bottles' } }

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-keys-'))
  repo = ['--repo', path.join(folder, 'repository')]
  keyFile = path.join(folder, 'key')
  await runJson(['repo', 'key', 'generate', keyFile])
  await runJson(['repo', 'init', '--encrypt', '--label', 'on paper', ...repo], 0, withPassphrase)
})

afterAll(() => rm(folder, { recursive: true }))

const opened = (...flags: string[]) => [...flags, ...repo, '--repo-key-file', keyFile]

test('a generated key file is for its owner only, and is never written over', async () => {
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
  expect(await readFile(keyFile, 'utf8')).toMatch(/^# chroma-ops repository key\n(#.*\n)*[0-9a-f]{64}\n$/)
  await expectFailure(['repo', 'key', 'generate', keyFile], {
    exitCode: 15,
    code: 'FILE_EXISTS',
    message: 'is there already',
  })
})

test('keys are added, listed and removed, but never the last one, nor the one in use', async () => {
  const added = await runJson(
    ['repo', 'key', 'add', '--new-key-file', keyFile, '--label', 'cron', ...repo],
    0,
    withPassphrase,
  )
  expect(added).toMatchObject({ key: { label: 'cron', kind: 'key-file' } })
  await expectFailure(opened('repo', 'key', 'remove', 'nobody'), {
    exitCode: 10,
    code: 'KEY_NOT_FOUND',
    message: 'there is no key nobody',
    hint: 'cron',
  })
  const { keys } = await runJson(['repo', 'key', 'list', ...repo])
  expect(keys).toMatchObject([
    { label: 'on paper', kind: 'passphrase' },
    { label: 'cron', kind: 'key-file' },
  ])
  await expectFailure(opened('repo', 'key', 'add', '--new-key-file', keyFile, '--label', 'cron'), {
    exitCode: 15,
    code: 'KEY_LABEL_TAKEN',
    message: 'cron',
  })
  await expectFailure(opened('repo', 'key', 'remove', 'cron'), {
    exitCode: 15,
    code: 'KEY_IN_USE',
    message: 'was opened with',
    hint: 'a key that stays',
  })
  const plan = await runJson(opened('repo', 'key', 'remove', 'on paper'))
  expect(plan).toMatchObject({ applied: false, key: { label: 'on paper' }, remaining: [{ label: 'cron' }] })
  expect((await runJson(['repo', 'key', 'list', ...repo]))['keys']).toHaveLength(2)
  expect(await runJson(opened('repo', 'key', 'remove', 'on paper', '--apply'))).toMatchObject({
    applied: true,
  })
  await expectJsonFailure(
    ['backup', 'list', ...repo],
    { exitCode: 14, code: 'WRONG_KEY', message: 'CHROMA_OPS_PASSPHRASE does not open' },
    withPassphrase,
  )
  await runJson(opened('backup', 'list'))
  await expectFailure(opened('repo', 'key', 'remove', 'cron', '--apply'), {
    exitCode: 15,
    code: 'KEY_LAST',
    message: 'is the last key',
    hint: 'repo key add',
  })
})

test('no key, an empty one, a short one and two at once are told apart', async () => {
  await expectFailure(['backup', 'list', ...repo], {
    exitCode: 14,
    code: 'KEY_MISSING',
    message: 'is encrypted, and no key was given',
    hint: '--passphrase-file',
  })
  const short = path.join(folder, 'short')
  for (const [text, code] of [
    ['', 'SECRET'],
    ['seven', 'KEY_REFUSED'],
  ] as const) {
    await writeFile(short, text)
    const { exitCode, stdout } = await runCli([
      ...['repo', 'init', '--encrypt', '--json', '--passphrase-file', short],
      ...['--repo', path.join(folder, 'other')],
    ])
    expect(exitCode).toBe(2)
    expect(stdout).toContain(code)
  }
  await writeFile(short, '00'.repeat(31))
  for (const text of ['00'.repeat(31), '00'.repeat(32), 'ab'.repeat(16), `${'ab'.repeat(32)}ab`]) {
    await writeFile(short, text)
    await expectJsonFailure(['backup', 'list', ...repo, '--repo-key-file', short], {
      exitCode: 2,
      code: 'KEY_REFUSED',
      message: '--repo-key-file',
      hint: 'repo key generate',
    })
  }
  await expectFailure(opened('backup', 'list', '--passphrase-file', short), {
    exitCode: 2,
    code: 'USAGE',
    message: 'both give a key of the repository',
  })
})

test('a key that is given, and a profile, refuse a repository that is not encrypted', async () => {
  const plain = ['--repo', path.join(folder, 'plain')]
  const { id } = await runJson(['repo', 'init', ...plain])
  await expectFailure(['backup', 'list', ...plain, '--repo-key-file', keyFile], {
    exitCode: 15,
    code: 'REPOSITORY_NOT_ENCRYPTED',
    message: '--repo-key-file asks for it',
  })
  const config = path.join(folder, 'chroma-ops.config.yaml')
  await writeFile(
    config,
    `profiles:\n  safe:\n    encryption: required\n  other:\n    repo_id: ${'0a'.repeat(16)}\n`,
  )
  await expectFailure(['backup', 'list', ...plain, '--config', config, '--profile', 'safe'], {
    exitCode: 15,
    code: 'REPOSITORY_NOT_ENCRYPTED',
    message: 'profiles.safe.encryption',
  })
  await expectFailure(['backup', 'list', ...plain, '--config', config, '--profile', 'other'], {
    exitCode: 15,
    code: 'REPOSITORY_OTHER',
    message: String(id),
  })
  await expectFailure(
    ['repo', 'init', '--repo', path.join(folder, 'new'), '--config', config, '--profile', 'safe'],
    { exitCode: 14, code: 'KEY_MISSING', message: 'no key was given' },
  )
})

test('at a terminal the passphrase is asked for, twice where it is new', async () => {
  const asked: string[] = []
  const answers = ['eight green bottles', 'eight green bottles', 'eight green bottles', 'nine', 'ten']
  const host = {
    askSecret: (question: string) => {
      asked.push(question)
      return Promise.resolve(answers.shift() ?? '')
    },
  }
  const typed = ['--repo', path.join(folder, 'typed')]
  await runJson(['repo', 'init', '--encrypt', ...typed], 0, host)
  expect(asked).toEqual(['new passphrase: ', 'once more: '])
  await runJson(['backup', 'list', ...typed], 0, host)
  expect(asked.slice(2)).toEqual(['passphrase of the repository: '])
  const differing = ['repo', 'init', '--encrypt', '--repo', path.join(folder, 'differing')]
  await expectJsonFailure(differing, { exitCode: 2, code: 'USAGE', message: 'differ' }, host)
})

test('repo copy makes a mirror, a copy with a new key, and a plain one only when told to', async () => {
  const to = (name: string) => ['--to', path.join(folder, name)]
  const mirror = await runJson(opened('repo', 'copy', ...to('mirror')))
  const { id } = await runJson(['repo', 'key', 'list', ...repo])
  expect(mirror).toMatchObject({ to: { id, created: true, encrypted: true }, copied: [], failed: [] })
  const newKey = path.join(folder, 'new-key')
  await expectFailure(opened('repo', 'copy', ...to('renewed'), '--new-key'), {
    exitCode: 14,
    code: 'KEY_MISSING',
    message: 'no new key was given',
    hint: '--new-key-file',
  })
  await runJson(['repo', 'key', 'generate', newKey])
  const renewed = await runJson(
    opened('repo', 'copy', ...to('renewed'), '--new-key', '--new-key-file', newKey),
  )
  expect(renewed).toMatchObject({ to: { created: true, encrypted: true } })
  const list = ['backup', 'list', '--repo', path.join(folder, 'renewed'), '--repo-key-file']
  await runJson([...list, newKey])
  await expectJsonFailure([...list, keyFile], { exitCode: 14, code: 'WRONG_KEY', message: 'does not open' })
  await expectFailure(opened('repo', 'copy', ...to('plain')), {
    exitCode: 15,
    code: 'REPOSITORY_NOT_ENCRYPTED',
    message: 'is not encrypted',
  })
  expect(await runJson(opened('repo', 'copy', ...to('plain'), '--decrypt'))).toMatchObject({
    to: { created: false, encrypted: false },
  })
})
