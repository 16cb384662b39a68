import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { startChroma, type TestChroma } from '../helpers/chroma-server.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { simpleCollection } from '../helpers/simple-collection.js'

let folder: string
let repo: string
let chroma: TestChroma

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-erase-command-'))
  repo = path.join(folder, 'backups')
  chroma = await startChroma({ directory: path.join(folder, 'data') })
  const api = new ChromaApi(await connectTransport({ url: chroma.url }))
  await simpleCollection(api, 'docs', 40)
  await simpleCollection(api, 'images', 20)
  await api.transport.close()
  await runCli(['backup', '--init', '--url', chroma.url, '--repo', repo, '--series', 'nightly'])
  await writeFile(path.join(folder, 'gone.txt'), 'id37\r\nid38\n\nno-such-id\n')
})
afterAll(async () => {
  await chroma.kill()
  await chroma.halt()
  await rm(folder, { recursive: true, force: true })
})

const run = (...args: readonly string[]) => runCli(['erase', ...args, '--repo', repo])
const atServer = (...args: readonly string[]) => run(...args, '--url', chroma.url)
const inDirectory = (...args: readonly string[]) => run(...args, '--path', path.join(folder, 'data'))

describe('erase', () => {
  test('needs to be told which records', async () => {
    expect(await atServer()).toMatchObject({ exitCode: 2 })
    expect(await atServer('--ids-file', path.join(folder, 'nothing'))).toMatchObject({ exitCode: 2 })
    expect(await atServer('--id', 'a', '--collection', 'nope')).toMatchObject({ exitCode: 10 })
  })

  test('is a plan at first: what there is, and which backups hold it', async () => {
    const { exitCode, stdout } = await atServer('--ids-file', path.join(folder, 'gone.txt'))
    expect(exitCode).toBe(0)
    expect(stdout).toContain('nothing has been changed; with --apply, 2 records would be erased')
    expect(stdout).toContain('there is no undo, and no copy is kept')
    expect(stdout).toContain('not there: 1 of 3 ids')
    expect(stdout).toMatch(/1 backup in .* still holds them, and restores would leave them out:/)
    expect(stdout).toContain('does not expire')
    const again = documentOf(await atServer('--ids-file', path.join(folder, 'gone.txt'), '--json'))
    expect(again).toMatchObject({
      applied: false,
      recorded: false,
      collections: [{ records: ['id37', 'id38'] }, {}],
    })
  })

  test('through a server, and says what a server keeps', async () => {
    const { exitCode, stdout } = await atServer('--id', 'id37', '--collection', 'docs', '--apply')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('erased 1 record')
    expect(stdout).toContain('write-ahead log and in free pages')
    expect(stdout).toContain('restores leave them out from now on')
    expect(documentOf(await atServer('--id', 'id37', '--json'))).toMatchObject({ notFound: 1 })
  })

  test('a directory in use is left alone; once it is free, nothing stays in it', async () => {
    expect(await inDirectory('--id', 'id37', '--apply')).toMatchObject({ exitCode: 11 })
    await chroma.kill()
    await chroma.halt()
    const flags = ['--ids-file', path.join(folder, 'gone.txt'), '--id', 'id37', '--apply', '--server-stopped']
    const result = documentOf(await inDirectory(...flags, '--json'))
    expect(result).toMatchObject({
      applied: true,
      kind: 'directory',
      recorded: true,
      proof: { clean: true, residues: [] },
      backups: [{ collections: [{ name: 'docs', ids: ['id37', 'id38'] }], expires: null }],
    })
    await chroma.restart()
  })

  test('a restore leaves them out and says so', async () => {
    const restore = [
      'restore',
      'latest',
      '--repo',
      repo,
      '--url',
      chroma.url,
      '--target-database',
      'restored',
    ]
    const { exitCode, stdout } = await runCli(restore)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('docs: 2 records left out, erased since the backup (--include-erased')
    expect(documentOf(await runCli([...restore, '--mode', 'replace', '--json']))).toMatchObject({
      records: 58,
      erased: [{ records: 2 }],
    })
    const everything = await runCli([...restore, '--mode', 'replace', '--include-erased', '--json'])
    expect(documentOf(everything)).toMatchObject({ records: 60, erased: [] })
  })

  test('a physical backup is restored without them too', async () => {
    await chroma.kill()
    await chroma.halt()
    const data = path.join(folder, 'data')
    const files = path.join(folder, 'files')
    await runCli(['backup', '--path', data, '--type', 'physical', '--repo', files, '--init'])
    const gone = ['erase', '--id', 'id21', '--path', data, '--repo', files, '--server-stopped']
    expect(documentOf(await runCli([...gone, '--json']))).toMatchObject({
      unsearched: [{ code: 'PHYSICAL' }],
    })
    expect(await runCli([...gone, '--apply'])).toMatchObject({ exitCode: 0 })
    const restored = path.join(folder, 'restored')
    const result = documentOf(
      await runCli(['restore', 'latest', '--path', restored, '--repo', files, '--json']),
    )
    const docs = { collection: 'default_tenant/default_database/docs', records: 1 }
    expect(result).toMatchObject({ erased: expect.arrayContaining([docs]) })
    for (const directory of [data, restored])
      expect((await readFile(path.join(directory, 'chroma.sqlite3'))).includes('document 21')).toBe(false)
    const everything = path.join(folder, 'everything')
    await runCli(['restore', 'latest', '--path', everything, '--repo', files, '--include-erased'])
    expect((await readFile(path.join(everything, 'chroma.sqlite3'))).includes('document 21')).toBe(true)
    await chroma.restart()
  })

  test('--read-only refuses it', async () => {
    expect(await atServer('--id', 'id1', '--apply', '--read-only')).toMatchObject({ exitCode: 15 })
  })
})
