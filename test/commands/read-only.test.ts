import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { completionTree } from '../../src/commands/completion-tree.js'
import { createProgram } from '../../src/commands/program.js'
import { makeDirectory, treeOf } from '../helpers/data-directories.js'
import { runJson } from '../helpers/outcomes.js'
import { idOf } from '../helpers/repositories.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

let folder: string
let data: string
let repo: string
let id: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-read-only-'))
  data = path.join(folder, 'data')
  repo = path.join(folder, 'backups')
  file = path.join(folder, 'ids')
  await writeFile(file, 'id1\n')
  await makeDirectory(data, { records: 30, saved: true })
  const made = await runJson(['backup', '--path', data, '--type', 'full', '--repo', repo, '--init'])
  id = idOf(made['backup'])
})

afterAll(() => rm(folder, { recursive: true }))

const repository = () => ['--repo', repo]
const nowhere = () => ['--url', 'http://127.0.0.1:9']
const directory = () => ['--path', data, '--server-stopped']

/** Every command that changes a server, a repository or a data directory, as it would change something. */
const changing: Readonly<Record<string, () => readonly string[]>> = {
  'backup create': () => ['--path', data, ...repository()],
  'backup hold': () => [id, ...repository()],
  'backup import': () => [path.join(folder, 'archive.tar'), ...repository()],
  'backup prune': () => ['--keep-last', '1', '--apply', ...repository()],
  'backup release': () => [id, ...repository()],
  'backup tag': () => [id, 'a=b', ...repository()],
  'backup undelete': () => [id, ...repository()],
  'cleanup data': () => ['--apply', ...directory()],
  'cleanup quarantine empty': () => ['--apply', '--path', data],
  'cleanup runs': () => ['--apply', ...repository()],
  'cleanup undo': () => [...directory()],
  copy: () => [...nowhere(), '--to-url', 'http://127.0.0.1:9'],
  erase: () => ['--ids-file', file, '--collection', 'docs', '--apply', ...directory()],
  'migrate abort': nowhere,
  'migrate baseline': nowhere,
  'migrate complete': () => ['--apply', ...nowhere()],
  'migrate create': () => ['docs', '--dir', folder],
  'migrate down': nowhere,
  'migrate redo': nowhere,
  'migrate renumber': () => ['1', '--dir', folder],
  'migrate repair': () => ['--checksums', '--apply', ...nowhere()],
  'migrate resume': nowhere,
  'migrate unlock': () => ['--lock-id', 'abc', '--apply', ...nowhere()],
  'migrate up': nowhere,
  'migrate validate': () => ['--update-sum', '--dir', folder],
  'rebuild index': () => ['--collection', 'docs', '--apply', ...directory()],
  'repo check': repository,
  'repo copy': () => ['--to', path.join(folder, 'copy'), ...repository()],
  'repo init': () => ['--repo', path.join(folder, 'new')],
  'repo key add': () => ['--label', 'x', ...repository()],
  'repo key remove': () => ['x', '--apply', ...repository()],
  'repo push': () => ['--spool-dir', path.join(folder, 'spool'), ...repository()],
  rescue: () => ['--path', data, ...repository()],
  restore: () => [id, '--path', path.join(folder, 'restored'), ...repository()],
  'schedule run': () => ['--path', data, ...repository()],
}

/** Those that only read; null: not tried here. */
const reading: Readonly<Record<string, (() => readonly string[]) | null>> = {
  'backup diff': () => [id, id, ...repository()],
  'backup drill': null,
  'backup export': () => [id, path.join(folder, 'exported.tar'), ...repository()],
  'backup find': () => ['--id', 'id1', ...repository()],
  'backup list': repository,
  'backup prune': () => ['--keep-last', '1', ...repository()],
  'backup serve': null,
  'backup show': () => [id, ...repository()],
  'backup verify': () => [id, ...repository()],
  'cleanup data': () => ['--path', data],
  'cleanup quarantine list': () => ['--path', data],
  'cleanup runs': repository,
  completion: null,
  'config show': () => [],
  explain: null,
  health: () => ['--path', data],
  'migrate history': null,
  'migrate lint': null,
  'migrate plan': null,
  'migrate status': null,
  'migrate validate': null,
  'repo key generate': null,
  'repo key list': null,
  'repo log': repository,
  'schedule print': null,
  status: () => ['--path', data, ...repository()],
}

test('every command is one that changes or one that reads', () => {
  const sink = { help: () => {}, error: () => {} }
  const tree = completionTree(createProgram({ run: () => Promise.resolve() }, '0', sink))
  const commands = tree.filter(({ commands: inner }) => inner.length === 0).map(({ path: name }) => name)
  const known = new Set([...Object.keys(changing), ...Object.keys(reading)])
  expect([...known].sort()).toEqual(commands.sort())
})

test.each(Object.keys(changing))('--read-only refuses %s', async (command) => {
  const before = await treeOf(folder)
  const run = await runCli([...command.split(' '), ...(changing[command]?.() ?? []), '--read-only', '--json'])
  expect(documentOf(run)).toMatchObject({ error: { code: 'READ_ONLY', exitCode: 15 } })
  expect(await treeOf(folder)).toEqual(before)
})

const tried = Object.entries(reading).filter(([, words]) => words !== null)
test.each(tried.map(([command]) => command))(
  '--read-only lets %s read, and nothing is written',
  async (command) => {
    const before = await treeOf(repo)
    const inData = await treeOf(data)
    const run = await runCli([
      ...command.split(' '),
      ...(reading[command]?.() ?? []),
      '--read-only',
      '--json',
    ])
    expect(documentOf(run)).not.toHaveProperty('error')
    expect(await treeOf(repo)).toEqual(before)
    expect(await treeOf(data)).toEqual(inData)
  },
)
