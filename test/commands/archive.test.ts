import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parquetReadObjects, asyncBufferFromFile } from 'hyparquet'
import { generateIdentity, identityToRecipient } from 'age-encryption'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { builtCli } from '../helpers/built-cli.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { expectFailure, expectJsonFailure, runJson } from '../helpers/outcomes.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { runNow } from '../helpers/run-now.js'
import { simpleCollection } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

let folder: string
let repo: string
let id: string
let archive: string
let secret: readonly string[]

const at = (...parts: readonly string[]) => path.join(folder, ...parts)

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-archives-'))
  repo = at('backups')
  archive = at('one.tar')
  await simpleCollection(api(), 'docs', 300)
  await simpleCollection(api(), 'images', 20, 'cosine')
  await backUp(chroma().url, repo, '--series', 'nightly')
  id = await backUp(chroma().url, repo, '--series', 'nightly')
  await runJson(['backup', 'export', 'latest', archive, '--repo', repo])
  await writeFile(at('passphrase'), 'correct horse battery staple\n', { mode: 0o600 })
  const withPassphrase = ['--repo', at('secret'), '--passphrase-file', at('passphrase')]
  await runJson(['repo', 'init', '--encrypt', ...withPassphrase])
  // Unlike a passphrase it opens at once.
  await runJson(['repo', 'key', 'generate', at('key')])
  await runJson(['repo', 'key', 'add', '--new-key-file', at('key'), '--label', 'file', ...withPassphrase])
  secret = ['--repo', at('secret'), '--repo-key-file', at('key')]
  await runJson(['backup', '--url', chroma().url, '--series', 'nightly', ...secret])
})

afterAll(() => rm(folder, { recursive: true }))

const restoreTo = (target: string, ...flags: readonly string[]) => [
  'restore',
  ...flags,
  '--url',
  chroma().url,
  '--target-database',
  target,
]

describe('an archive', () => {
  test('is not written over', async () => {
    const again = ['backup', 'export', 'latest', archive, '--repo', repo]
    await expectFailure(again, { exitCode: 15, code: 'FILE_EXISTS', message: archive, hint: '--force' })
    const result = await runJson([...again, '--force'])
    expect(result).toEqual({
      repository: repo,
      backup: id,
      format: 'tar',
      file: archive,
      encryption: null,
      entries: expect.any(Number),
      bytes: (await readFile(archive)).length,
    })
    expect((await readdir(folder)).filter((name) => name.includes('~'))).toEqual([])
  })

  test('is a repository for every command that reads', async () => {
    const inside = ['--repo', archive, '--url', chroma().url]
    expect(await listedBackups(archive)).toEqual([id])
    await expectSound(archive)
    await expectEqual(chroma().url, archive)
    const { backups } = await runJson(['backup', 'find', '--id', 'id7', ...inside])
    expect(backups).toMatchObject([{ backup: id }])
    await expectFailure(['backup', ...inside], {
      exitCode: 16,
      code: 'STORE_UNSUPPORTED',
      message: 'can only be read',
      hint: 'backup import',
    })
  })

  test('is restored as it is', async () => {
    const plan = await runJson(
      restoreTo('default_database', archive, '--rename', 'docs=copy', '--collection', 'docs'),
    )
    expect(plan).toMatchObject({ backup: id })
    await runJson(['health', '--url', chroma().url, '--level', 'ready'])
    const { exitCode } = await runCli(
      restoreTo('default_database', archive, '--collection', 'docs', '--json'),
    )
    expect(exitCode).toBe(15)
  })

  test('is imported under its own id, and only once', async () => {
    const into = ['backup', 'import', archive, '--repo', at('imported')]
    await expectFailure(into, { exitCode: 10, code: 'REPOSITORY_NOT_FOUND', message: 'no repository' })
    expect(await runJson([...into, '--init'])).toMatchObject({ backup: id, added: true, created: true })
    expect(await runJson(into)).toMatchObject({ backup: id, added: false, objects: 0 })
    expect(await listedBackups(at('imported'))).toEqual([id])
    await expectSound(at('imported'))
    await runJson(['backup', 'import', archive, ...secret])
    expect(await listedBackups(at('secret'), ...secret.slice(2))).toContain(id)
  })

  test('that is cut off adds nothing', async () => {
    await writeFile(at('cut.tar'), await readFile(archive))
    await truncate(at('cut.tar'), 20_000)
    await expectFailure(['backup', 'import', at('cut.tar'), '--repo', repo], {
      exitCode: 13,
      code: 'INTEGRITY',
      message: 'cut off',
    })
    await expectFailure(restoreTo('default_database', at('cut.tar')), {
      exitCode: 13,
      code: 'INTEGRITY',
      message: 'cut off',
    })
    await expectFailure(['backup', 'list', '--repo', at('cut.tar')], {
      exitCode: 13,
      code: 'INTEGRITY',
      message: 'cut off',
    })
    await expectFailure(['restore', at('none.tar'), '--url', chroma().url], {
      exitCode: 10,
      code: 'BLOB_NOT_FOUND',
      message: 'none.tar',
    })
  })

  test('flows from stdout to tar, and from stdin to a repository', async () => {
    const cli = await builtCli()
    const out = runNow(process.execPath, [cli, 'backup', 'export', 'latest', '-', '--repo', repo])
    expect(out.status).toBe(0)
    expect(out.stderr).toContain(`${id} is in the archive`)
    expect(out.bytes.equals(await readFile(archive))).toBe(true)
    expect(runNow('tar', ['tf', '-'], { input: out.bytes }).stdout).toContain('SHA256SUMS')
    const stdin = { stdin: createReadStream(archive) }
    const result = await runJson(['backup', 'import', '-', '--init', '--repo', at('piped')], 0, stdin)
    expect(result).toMatchObject({ backup: id, added: true })
    await expectSound(at('piped'))
    await expectJsonFailure(['backup', 'export', 'latest', '-', '--repo', repo], {
      exitCode: 2,
      code: 'USAGE',
      message: 'stdout cannot hold',
    })
  })

  test('ends well when its reader has gone', async () => {
    const cli = await builtCli()
    const child = spawn(
      'sh',
      ['-c', `"$0" "$1" backup export latest - --repo "$2" | true`, process.execPath, cli, repo],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const text = { stderr: '' }
    child.stderr.on('data', (piece: Buffer) => (text.stderr += piece.toString()))
    await new Promise((resolve) => child.once('close', resolve))
    expect(text.stderr).toContain('closed the pipe')
    expect(text.stderr).not.toContain('internal error')
  })
})

describe('of an encrypted repository', () => {
  test('an archive stays encrypted, with the keys of the repository', async () => {
    const file = at('secret.tar')
    const made = await runJson(['backup', 'export', 'latest~0', file, '--series', 'nightly', ...secret])
    expect(made).toMatchObject({ encryption: 'repository' })
    expect((await readFile(file)).includes('default_tenant')).toBe(false)
    await expectFailure(['backup', 'list', '--repo', file], {
      exitCode: 14,
      code: 'KEY_MISSING',
      message: 'encrypted',
    })
    const key = ['--passphrase-file', at('passphrase')]
    await runJson(['backup', 'import', file, '--init', '--repo', at('mirror'), ...key])
    await expectSound(at('mirror'), ...key)
    await runJson(
      restoreTo('default_database', file, '--rename', 'docs=locked', '--collection', 'docs', ...key),
    )
  })

  test('files in the clear need a flag', async () => {
    const records = ['backup', 'export', 'latest', at('clear'), '--format', 'jsonl', ...secret]
    await expectFailure(records, {
      exitCode: 15,
      code: 'PLAIN_EXPORT',
      message: 'encrypted',
      hint: '--decrypt',
    })
    await runJson([...records, '--decrypt'])
    await runJson(['backup', 'export', 'latest', at('clear.tar'), '--decrypt', ...secret])
    await expectSound(at('clear.tar'))
  })

  test('an archive for age recipients needs an identity, and nothing else', async () => {
    const identity = await generateIdentity()
    await writeFile(at('identity'), `# public\n${identity}\n`, { mode: 0o600 })
    await writeFile(at('other'), `${await generateIdentity()}\n`, { mode: 0o600 })
    const file = at('for-age.tar.age')
    const recipient = ['--age-recipient', await identityToRecipient(identity)]
    const made = await runJson(['backup', 'export', 'latest', file, ...recipient, ...secret])
    expect(made).toMatchObject({ encryption: 'age' })
    const stored = await readFile(file)
    expect(stored.toString('latin1', 0, 21)).toBe('age-encryption.org/v1')
    const into = ['backup', 'import', file, '--init', '--repo', at('from-age')]
    await expectFailure(into, { exitCode: 14, code: 'AGE_IDENTITY', message: 'no identity was given' })
    await expectFailure([...into, '--age-identity-file', at('other')], {
      exitCode: 14,
      code: 'AGE_IDENTITY',
      message: 'none of the age identities',
    })
    const given = ['--age-identity-file', at('identity')]
    expect(await runJson([...into, ...given])).toMatchObject({ added: true })
    await expectSound(at('from-age'))
    await runJson(
      restoreTo('default_database', file, '--collection', 'docs', '--rename', 'docs=aged', ...given),
    )
    await writeFile(at('cut.tar.age'), stored.subarray(0, stored.length - 100))
    await expectFailure(['backup', 'import', at('cut.tar.age'), '--repo', repo, ...given], {
      exitCode: 13,
      code: 'INTEGRITY',
      message: 'damaged or cut off',
    })
    expect((await readdir(tmpdir())).filter((name) => /^chroma-ops-(plain|archive)-/.test(name))).toEqual([])
  })

  const age = runNow('age', ['--version']).status === 0 ? test : test.skip
  age('the age command reads it too', async () => {
    const { bytes } = runNow('age', ['-d', '-i', at('identity'), at('for-age.tar.age')])
    expect(runNow('tar', ['tf', '-'], { input: bytes }).stdout).toContain('SHA256SUMS')
  })
})

describe('records in files', () => {
  test.each(['jsonl', 'parquet'])(
    '%s: out, and in again as a backup that is equal to the server',
    async (format) => {
      const place = at(format)
      const docs = ['--collection', 'docs', '--collection', 'images']
      const made = await runJson([
        'backup',
        'export',
        'latest',
        place,
        '--format',
        format,
        ...docs,
        '--repo',
        repo,
      ])
      expect(made).toMatchObject({ backup: id, format, status: 'complete' })
      expect((await readdir(place)).sort()).toEqual([
        'collections.json',
        `docs.${format}`,
        `images.${format}`,
      ])
      const target = ['--init', '--repo', at(`from-${format}`)]
      const { backup } = await runJson(['backup', 'import', place, ...target])
      expect(backup).toMatchObject({
        series: 'import',
        status: 'complete',
        counts: { collections: 2, records: 320 },
      })
      await expectEqual(chroma().url, at(`from-${format}`), '--collection', 'docs', '--collection', 'images')
      await expectFailure(['backup', 'export', 'latest', place, '--format', format, '--repo', repo], {
        exitCode: 15,
        code: 'FILE_EXISTS',
        message: 'exists already',
      })
    },
  )

  test('a Parquet file has the documented columns', async () => {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(at('parquet', 'docs.parquet')) })
    expect(rows).toHaveLength(300)
    expect(Object.keys(rows[0] ?? {})).toEqual(['id', 'embedding', 'document', 'uri', 'metadata'])
  })

  test('a foreign file becomes a backup of the collection that is named', async () => {
    const file = at('foreign.jsonl')
    await writeFile(
      file,
      '{"embedding":[1,0.5],"id":"a"}\r\n\n{"id":"b","embedding":[1e-3,2],"metadata":{"n":1}}',
    )
    const into = ['backup', 'import', file, '--init', '--repo', at('foreign')]
    await expectFailure(into, {
      exitCode: 2,
      code: 'USAGE',
      message: 'which collection',
      hint: '--collection',
    })
    const { backup, collections } = await runJson([...into, '--collection', 'mine/new', '--space', 'cosine'])
    expect(backup).toMatchObject({ series: 'import', counts: { records: 2 } })
    expect(collections).toMatchObject([{ database: 'mine', name: 'new', dimension: 2 }])
    await writeFile(at('empty.jsonl'), '')
    const none = ['backup', 'import', at('empty.jsonl'), '--collection', 'none', '--series', 'none']
    const empty = [...none, '--repo', at('foreign')]
    await expectFailure(empty, {
      exitCode: 15,
      code: 'SOURCE_EMPTY',
      message: 'no records',
      hint: '--allow-empty',
    })
    expect(await runJson([...empty, '--allow-empty'])).toMatchObject({ backup: { counts: { records: 0 } } })
    const other = ['backup', 'import', at('nothing.jsonl'), '--collection', 'x', '--repo', at('foreign')]
    expect(documentOf(await runCli([...other, '--json']))).toMatchObject({ error: { exitCode: 2 } })
  })
})
