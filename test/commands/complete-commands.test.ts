import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { completeCommand, completeCommands } from '../../src/commands/complete-commands.js'
import { Settings, type Environment } from '../../src/config/settings.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { newRepository } from '../helpers/backups.js'
import { expectFailure } from '../helpers/outcomes.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "chroma-ops-o'hints "))
})

afterAll(() => rm(folder, { recursive: true }))

function settingsOf(flags: Record<string, string>, environment: Environment = {}): Settings {
  const texts = Object.entries(flags).map(([name, text]) => [name, [text]] as const)
  return new Settings({ flags: new Map(texts), environment, file: null })
}

test.each([
  [
    'see "chroma-ops backup verify abc" for all',
    'see "chroma-ops backup verify abc --repo ./b --region eu" for all',
  ],
  ['"chroma-ops backup --init"', '"chroma-ops backup --init --repo ./b --region eu --url http://x:8000"'],
  ['"chroma-ops health --level deep"', '"chroma-ops health --level deep --url http://x:8000"'],
  ['"chroma-ops repo check --repo /other"', '"chroma-ops repo check --repo /other --region eu"'],
  ['"chroma-ops explain text"', '"chroma-ops explain text"'],
  ['use --url, or "latest"', 'use --url, or "latest"'],
])('%s', (hint, complete) => {
  const settings = settingsOf({ '--repo': './b', '--region': 'eu', '--url': 'http://x:8000' })
  expect(completeCommands(hint, settings)).toBe(complete)
})

test.each([
  ['migrate up', 'migrate up --repo ./b --url http://x:8000 --database one'],
  ['migrate abort', 'migrate abort --url http://x:8000 --database one'],
  ['migrate renumber 00007', 'migrate renumber 00007'],
])('chroma-ops %s is about one database', (command, complete) => {
  const settings = settingsOf({ '--repo': './b', '--url': 'http://x:8000', '--database': 'one' })
  expect(completeCommand(`chroma-ops ${command}`, settings)).toBe(`chroma-ops ${complete}`)
})

test('where the key of the repository is goes along; a passphrase from the environment is there anyway', () => {
  const flags = { '--repo': './b', '--passphrase-file': 'my key' }
  const settings = settingsOf(flags, { CHROMA_OPS_PASSPHRASE: 'secret' })
  expect(completeCommands('"chroma-ops backup verify abc"', settings)).toBe(
    `"chroma-ops backup verify abc --repo ./b --passphrase-file 'my key'"`,
  )
})

test('the placeholder for a repository gives way to the one in use, if there is one', () => {
  const command = 'chroma-ops restore latest --mode replace --repo REPOSITORY --url http://x:8000'
  expect(completeCommand(command, settingsOf({ '--repo': './b', '--ca-file': 'ca.pem' }))).toBe(
    'chroma-ops restore latest --mode replace --url http://x:8000 --repo ./b',
  )
  expect(completeCommand(command, settingsOf({ '--url': 'http://x:8000', '--ca-file': 'ca.pem' }))).toBe(
    `${command} --ca-file ca.pem`,
  )
})

test('what the environment says is named, secrets are not, and words are quoted for a shell', () => {
  const settings = settingsOf(
    { '--token-command': 'pass show chroma', '--profile': 'prod' },
    { CHROMA_OPS_REPO: 'my backups', CHROMA_OPS_URL: 'http://me:secret@x:8000', CHROMA_OPS_TOKEN: 'hidden' },
  )
  expect(completeCommands('"chroma-ops restore latest"', settings)).toBe(
    `"chroma-ops restore latest --repo 'my backups' --url http://x:8000/ --token-command 'pass show chroma' --profile prod"`,
  )
})

test('the hint of a failure is a command for the repository in use', async () => {
  const repo = path.join(folder, 'backups')
  const quoted = `--repo '${repo.replaceAll("'", String.raw`'\''`)}'`
  const server = ['--url', 'http://127.0.0.1:9']
  await expectFailure(['backup', '--repo', repo, ...server], {
    exitCode: 10,
    code: 'REPOSITORY_NOT_FOUND',
    message: 'no repository',
    hint: `"chroma-ops repo init ${quoted}" creates a repository there`,
  })
  await newRepository(new LocalStore(repo))
  await writeFile(path.join(repo, 'repo.json'), '{}')
  await expectFailure(['backup', 'list', '--repo', repo], {
    exitCode: 13,
    code: 'REPOSITORY_DAMAGED',
    message: 'repo.json',
    hint: `"chroma-ops repo init --repair ${quoted}"`,
  })
})
