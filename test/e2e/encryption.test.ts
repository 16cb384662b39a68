import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite, testCacheDir } from '../helpers/chroma-server.js'
import { makeDirectory, treeOf } from '../helpers/data-directories.js'
import { runJson } from '../helpers/outcomes.js'
import { expectEqual, expectSound, idOf } from '../helpers/repositories.js'
import { runCli } from '../helpers/run-cli.js'
import { simpleRecords } from '../helpers/simple-collection.js'

const PASSPHRASE = 'canary-passphrase seven green bottles'
const chroma = chromaForSuite()
const api = apiForSuite(chroma)

let folder: string
let repo: string
let passphraseFile: string
let key: readonly string[]
/** Everything that commands printed. */
let said = ''

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-encryption-'))
  repo = path.join(folder, 'repository')
  passphraseFile = path.join(folder, 'passphrase')
  await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
  key = ['--repo', repo, '--passphrase-file', passphraseFile]
  const canaries = await api().createCollection({
    tenant: 'default_tenant',
    database: 'default_database',
    name: 'canary-collection',
    metadata: new Map([['canary-key', 'canary-value']]),
    schema: null,
    configuration: null,
  })
  const batch = simpleRecords(0, 600)
  await api().add(canaries, {
    ...batch,
    ids: batch.ids.map((id) => `canary-record-${id}`),
    documents: batch.documents.map((text) => `canary-text ${text ?? ''}`),
    metadatas: batch.ids.map((id) => new Map([['canary-field', `canary-${id}`]])),
  })
})

afterAll(() => rm(folder, { recursive: true }))

const run = async (...args: readonly string[]) => {
  const { stdout, stderr, exitCode } = await runCli([...args, ...key, '--verbose'])
  said += stdout + stderr
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: ${exitCode}\n${stdout}${stderr}`)
  return stdout
}
const runOf = (...args: readonly string[]) => runJson([...args, ...key])

test('every command works on an encrypted repository as on a plain one', async () => {
  const { url } = chroma()
  expect(await runOf('repo', 'init', '--encrypt')).toMatchObject({ created: true, encrypted: true })
  await run('backup', '--url', url, '--series', 'nightly', '--tag', 'why=canary-tag')
  await expectEqual(url, repo, ...key.slice(2))
  const collection = { tenant: 'default_tenant', database: 'default_database', name: 'canary-collection' }
  await api().add(await api().getCollection(collection), {
    ...simpleRecords(600, 5),
    ids: [1, 2, 3, 4, 5].map((number) => `canary-record-new${number}`),
  })
  const second = await runOf('backup', '--url', url, '--series', 'nightly')
  await expectSound(repo, ...key.slice(2))
  await run('backup', 'list')
  await run('backup', 'show', idOf(second['backup']))
  const found = await runOf('backup', 'find', '--id', 'canary-record-new3')
  expect(JSON.stringify(found)).toContain(idOf(second['backup']))
  await run(
    'restore',
    'latest',
    '--series',
    'nightly',
    '--url',
    url,
    '--rename',
    'canary-collection=canary-again',
  )
  const again = await api().getCollection({ ...collection, name: 'canary-again' })
  expect(await api().count(again)).toBe(605)
  await run('erase', '--url', url, '--id', 'canary-record-new3', '--apply')
  const restored = await runOf(
    ...['restore', 'latest', '--series', 'nightly', '--url', url, '--rename', 'canary-collection=without'],
  )
  expect(restored).toMatchObject({ records: 604 })
  await run('backup', 'drill', 'latest', '--series', 'nightly', '--cache-dir', testCacheDir)
})

test('physical backups come back byte for byte from an encrypted repository, opened with another of its keys', async () => {
  const keyFile = path.join(folder, 'key')
  await run('repo', 'key', 'generate', keyFile)
  await run('repo', 'key', 'add', '--new-key-file', keyFile, '--label', 'file')
  key = ['--repo', repo, '--repo-key-file', keyFile]
  const data = path.join(folder, 'data')
  await makeDirectory(data, { records: 400, saved: true })
  await run('backup', '--path', data, '--series', 'files')
  await run('backup', '--path', data, '--series', 'files')
  await run('backup', 'verify', 'latest', '--series', 'files', '--depth', 'records')
  const target = path.join(folder, 'restored')
  await run('restore', 'latest', '--series', 'files', '--path', target)
  expect(await treeOf(target)).toEqual(await treeOf(data))
  await run('rescue', '--path', data, '--series', 'rescued')
})

test('nothing readable is left in the repository, and no passphrase in what is printed', async () => {
  const files = await filesIn(repo)
  expect(files.length).toBeGreaterThan(10)
  const canaries = [
    'canary',
    PASSPHRASE,
    new URL(chroma().url).host,
    'default_tenant',
    'chroma.sqlite3',
    'SQLite format',
    'uid:',
  ]
  for (const file of files) {
    const bytes = await readFile(file)
    for (const canary of canaries) {
      if (bytes.includes(canary)) throw new Error(`${path.relative(repo, file)} holds ${canary}`)
    }
    const isInTheClear = /^(repo\.json|keys\/)/.test(path.relative(repo, file))
    expect(bytes.subarray(0, 4).toString('latin1') === 'COE1').toBe(!isInTheClear)
  }
  expect(said).not.toContain(PASSPHRASE)
  const shown = await runCli(['config', 'show', ...key], {
    environment: { CHROMA_OPS_NEW_PASSPHRASE: PASSPHRASE },
  })
  expect(shown.stdout + shown.stderr).not.toContain(PASSPHRASE)
})

async function filesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true })
  const files: string[] = []
  for (const name of names) {
    const file = path.join(directory, name)
    if ((await stat(file)).isFile()) files.push(file)
  }
  return files
}
