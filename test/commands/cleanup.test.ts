import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { startChroma } from '../helpers/chroma-server.js'
import { stateOf } from '../helpers/directory-state.js'
import {
  addRecords,
  makeLitteredDirectory,
  post,
  type LitteredDirectory,
} from '../helpers/littered-directory.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

let littered: LitteredDirectory
let state: string
beforeAll(async () => {
  littered = await makeLitteredDirectory()
  state = await mkdtemp(path.join(tmpdir(), 'chroma-ops-cleanup-command-'))
})
afterAll(async () => {
  await littered.dispose()
  await rm(state, { recursive: true })
})

const cleanup = (...words: readonly string[]) =>
  runCli(['cleanup', ...words], { environment: { CHROMA_OPS_STATE_DIR: state, CHROMA_OPS_TEMP_DIR: state } })
const STOPPED = '--server-stopped'

describe('cleanup', () => {
  test('plans: what, why, how much, and that nothing was changed', async () => {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const { exitCode, stdout } = await cleanup('--path', directory)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('orphans: 4 index directories of no collection, 128.0 KiB')
    expect(stdout).toContain('Chroma leaves the directory of every collection that is deleted')
    expect(stdout).toContain('needs a stopped server: vacuum')
    expect(stdout).toContain('Nothing has been changed: add --apply to do it.')
    const { applied, steps } = documentOf(await cleanup('orphans', 'vacuum', '--path', directory, '--json'))
    expect([applied, steps]).toMatchObject([
      false,
      [{ id: 'index-directories', count: 4 }, {}, {}, { id: 'vacuum' }],
    ])
    expect(await stateOf(directory)).toEqual(before)
  })

  test('what a restore has replaced is told apart in the quarantine, is not undone, and can be emptied', async () => {
    const directory = await littered.copy()
    const repo = path.join(directory, '..', `replaced-${path.basename(directory)}`)
    await runCli(['backup', '--path', directory, '--type', 'physical', '--repo', repo, '--init'])
    const restore = ['restore', 'latest', '--repo', repo, '--path', directory, '--mode', 'replace', STOPPED]
    expect(await runCli(restore)).toMatchObject({ exitCode: 0 })
    const list = await cleanup('quarantine', 'list', '--path', directory)
    expect(list.stdout).toMatch(/replaced by a restore of \d{8}T\d{6}Z-/)
    expect(documentOf(await cleanup('quarantine', 'list', '--path', directory, '--json'))).toMatchObject({
      runs: [{ kind: 'restore', state: 'kept' }],
    })
    expect(await cleanup('undo', '--path', directory, STOPPED)).toMatchObject({ exitCode: 10 })
    await cleanup('quarantine', 'empty', '--path', directory, '--apply')
    expect(await cleanup('quarantine', 'list', '--path', directory)).toMatchObject({
      stdout: expect.stringContaining('nothing is in'),
    })
    await rm(repo, { recursive: true })
  })

  test('--apply, quarantine list, undo, quarantine empty', async () => {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const applied = await cleanup('orphans', '--path', directory, '--apply', STOPPED)
    expect(applied.exitCode).toBe(0)
    const [, run = ''] = /to take it back: chroma-ops cleanup undo (\S+) --path \//.exec(applied.stdout) ?? []
    const list = documentOf(await cleanup('quarantine', 'list', '--path', directory, '--json'))
    expect(list['runs']).toMatchObject([{ run, state: 'done' }])
    const undone = await cleanup('undo', run, '--path', directory, STOPPED)
    expect([undone.exitCode, undone.stdout]).toEqual([
      0,
      expect.stringContaining('4 directories and 323 rows are back'),
    ])
    expect(await stateOf(directory)).toEqual(before)
    const again = await cleanup('undo', '--path', directory, STOPPED, '--json')
    expect([again.exitCode, documentOf(again)]).toMatchObject([10, { error: { code: 'QUARANTINE_RUN' } }])

    await cleanup('orphans', '--path', directory, '--apply', STOPPED)
    const planned = documentOf(await cleanup('quarantine', 'empty', '--path', directory, '--json'))
    expect(planned).toMatchObject({ applied: false, runs: [{}, {}], freedBytes: 0 })
    const older = documentOf(
      await cleanup('quarantine', 'empty', '--older-than', '1h', '--path', directory, '--apply', '--json'),
    )
    expect(older).toMatchObject({ applied: true, runs: [] })
    const emptied = documentOf(await cleanup('quarantine', 'empty', '--path', directory, '--apply', '--json'))
    expect(emptied).toMatchObject({ applied: true, runs: [{}, {}] })
    expect(emptied['freedBytes']).toBeGreaterThan(131_072)
    expect(await readdir(path.join(directory, '.chroma-ops', 'quarantine'))).toEqual([])
  })

  test('a step that could not be done: 3', async () => {
    const directory = await littered.copy()
    const { exitCode, stdout } = await cleanup(
      'vacuum',
      '--path',
      directory,
      '--apply',
      STOPPED,
      '--via',
      directory,
      '--json',
    )
    expect(exitCode).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({ errors: [{ step: 'vacuum', code: 'SAME_FILE_SYSTEM' }] })
  })

  test('a running server: 11, with the way out', async () => {
    const directory = await littered.copy()
    const server = await startChroma({ directory })
    try {
      const { exitCode, stderr } = await cleanup('--path', directory, '--apply')
      expect([exitCode, stderr]).toEqual([11, expect.stringContaining('hint: stop the server first')])
      expect(stderr).toContain(`chroma-ops cleanup orphans wal --path ${directory} --apply`)
      expect((await cleanup('orphans', 'wal', '--path', directory, '--apply')).exitCode).toBe(0)
    } finally {
      await server.halt()
    }
  })

  test('wrong words, a missing directory, --read-only, no backup', async () => {
    const directory = await littered.copy()
    const cases = [
      [['orphan', '--path', directory], 2, 'did you mean orphans?'],
      [[], 2, 'no data directory is named'],
      [['wal', '--via', '/tmp', '--path', directory], 2, '--via is for vacuum'],
      [['--path', path.join(directory, 'nowhere')], 10, ''],
      [['quarantine', 'list', '--path', path.join(directory, 'nowhere')], 10, 'no such directory'],
      [
        ['quarantine', 'empty', '--path', path.join(directory, 'nowhere'), '--apply'],
        10,
        'no such directory',
      ],
      [['runs', '--path', path.join(directory, 'nowhere')], 10, 'no such directory'],
      [['runs', '--path', directory, '--older-than', '1s'], 2, 'may belong to a run that is alive'],
      [['--path', directory, '--apply', '--read-only', STOPPED], 15, 'cleanup is refused by --read-only'],
      [['--path', directory, '--apply', '--no-quarantine', STOPPED], 15, 'no repository is named'],
    ] as const
    for (const [words, code, text] of cases) {
      const { exitCode, stderr } = await cleanup(...words)
      expect([words, exitCode, stderr]).toEqual([words, code, expect.stringContaining(text)])
    }
  })

  test('--no-quarantine after a backup of all collections, and not after one of some', async () => {
    const directory = await littered.copy()
    const server = await startChroma({ directory })
    const repo = path.join(state, 'repo')
    const backup = (...words: readonly string[]) =>
      runCli(['backup', '--url', server.url, '--repo', repo, '--init', ...words], {
        environment: { CHROMA_OPS_STATE_DIR: state, CHROMA_OPS_TEMP_DIR: state },
      })
    const words = ['--path', directory, '--apply', '--no-quarantine', STOPPED, '--repo', repo] as const
    expect((await backup()).exitCode).toBe(0)
    await server.halt()
    const refused = await cleanup(...words)
    expect([refused.exitCode, refused.stderr]).toEqual([
      15,
      expect.stringContaining('has all collections of the directory'),
    ])
    await server.restart()
    expect((await backup('--tenant', 'default_tenant', '--tenant', 'acme')).exitCode).toBe(0)
    await server.halt()
    const done = await cleanup(...words, '--json')
    expect([done.exitCode, documentOf(done)]).toMatchObject([
      0,
      { run: null, quarantinedBytes: 0, errors: [] },
    ])
  })
})

describe('cleanup runs', () => {
  test('a repository and a temporary folder: what is old goes, what lives stays', async () => {
    const repo = path.join(state, 'leftovers')
    const directory = await littered.copy()
    const environment = { CHROMA_OPS_STATE_DIR: state, CHROMA_OPS_TEMP_DIR: path.join(state, 'tmp') }
    expect((await runCli(['repo', 'init', '--repo', repo], { environment })).exitCode).toBe(0)
    const old = new Date(Date.now() - 3 * 86_400_000)
    const files = {
      session: path.join(repo, 'sessions', '20261101T000000Z-docs-aaaa.json'),
      liveSession: path.join(repo, 'sessions', '20261120T000000Z-docs-bbbb.json'),
      blob: path.join(repo, 'objects', 'x', 'y~0f7b7a4e-7a9c-4a54-8f7b-0d8e4a7f3c11'),
      kept: path.join(repo, 'objects', 'x', 'y'),
      temp: path.join(state, 'tmp', 'chroma-ops-drill-aB3xYz'),
      foreign: path.join(state, 'tmp', 'chroma-ops-of-mine'),
      vacuum: path.join(directory, '.chroma-ops', 'vacuum-20261101T000000Z-abcdef.sqlite3'),
    }
    for (const [name, file] of Object.entries(files)) {
      await mkdir(path.dirname(file), { recursive: true })
      await writeFile(file, 'x')
      if (name !== 'liveSession') await utimes(file, old, old)
    }
    const run = (...words: readonly string[]) =>
      runCli(['cleanup', 'runs', '--repo', repo, '--path', directory, '--json', ...words], { environment })
    const expected = [files.temp, files.vacuum, files.blob, 'sessions/20261101T000000Z-docs-aaaa.json'].sort()
    const namesIn = (document: Record<string, unknown>) => {
      const { removed }: { removed: { name: string }[] } = Object.assign({ removed: [] }, document)
      return removed.map(({ name }) => name).sort()
    }
    const planned = documentOf(await run())
    expect([planned['applied'], namesIn(planned)]).toEqual([false, expected])
    expect(namesIn(documentOf(await run('--apply')))).toEqual(expected)
    expect(namesIn(documentOf(await run()))).toEqual([])
    for (const file of [files.liveSession, files.kept, files.foreign])
      expect(await readdir(path.dirname(file))).toContain(path.basename(file))
  })

  test('a server: collections that dead restores were building go, growing and other ones stay', async () => {
    const server = await startChroma()
    try {
      const place = `${server.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
      const shadow = (name: string) => post(place, { name, metadata: { 'chroma-ops:shadow': 'abcd1234' } })
      await addRecords(place, 'docs', 5)
      await shadow('docs.restore-abcd1234')
      await shadow('docs.restore-00000000')
      await post(place, {
        name: 'swapping',
        metadata: { 'chroma-ops:shadow': 'abcd1234', 'chroma-ops:replaces': 'some-id' },
      })
      const growing = setInterval(
        () => void addRecords(place, 'docs.restore-00000000', ++size).catch(() => {}),
        30,
      )
      let size = 0
      const run = await cleanup('runs', '--url', server.url, '--watch-for', '400ms', '--apply', '--json')
      clearInterval(growing)
      expect(documentOf(run)).toMatchObject({
        applied: true,
        removed: [{ kind: 'shadow', name: 'default_tenant/default_database/docs.restore-abcd1234' }],
      })
      const left: unknown = await (await fetch(place)).json()
      expect(JSON.stringify(left)).not.toContain('docs.restore-abcd1234')
      for (const name of ['docs', 'docs.restore-00000000', 'swapping'])
        expect(JSON.stringify(left)).toContain(`"${name}"`)
    } finally {
      await server.stop()
    }
  })
})
