import { readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { double } from '../../../src/index.js'
import { MigrationFileError } from '../../../src/migrations/files/file-problem.js'
import { inspectMigrations, loadMigrations } from '../../../src/migrations/files/load-migrations.js'
import { documentOf, runCli } from '../../helpers/run-cli.js'
import { runNow } from '../../helpers/run-now.js'
import { temporaryProject, type TemporaryProject } from './temporary-project.js'

const UP = 'export const up = () => {}\n'

let project: TemporaryProject

beforeEach(async () => {
  project = await temporaryProject()
})

afterEach(() => project.dispose())

async function put(...names: readonly string[]): Promise<void> {
  await project.write(Object.fromEntries(names.map((name) => [`migrations/${name}`, UP])))
}

async function problems(): Promise<string[]> {
  const found = await inspectMigrations({ dir: project.dir })
  return found.problems.map(({ code, file, message }) => `${code} ${path.basename(file)}: ${message}`)
}

function migrate(...words: readonly string[]) {
  return runCli(['migrate', ...words], { cwd: project.root })
}

describe('names and numbers', () => {
  test('what is no migration is left aside', async () => {
    await put(
      '00001_a.ts',
      '00002_b.mjs',
      'helpers.ts',
      '00001_a.d.ts',
      '00001_a.test.ts',
      'lib/00009_x.ts',
      '00001_a.json',
    )
    const migrations = await loadMigrations({ dir: project.dir })
    expect(migrations.map(({ version, name, file }) => [version, name, file])).toEqual([
      ['00001', 'a', '00001_a.ts'],
      ['00002', 'b', '00002_b.mjs'],
    ])
  })

  test('a compiled file beside its source counts once', async () => {
    await put('00001_a.ts', '00002_b.mts')
    await project.write({ 'migrations/00001_a.js': 'syntax error', 'migrations/00002_b.mjs': 'syntax error' })
    const migrations = await loadMigrations({ dir: project.dir })
    expect(migrations.map(({ file }) => file)).toEqual(['00001_a.ts', '00002_b.mts'])
  })

  test.each([
    [
      ['00001_a.ts', '00001_b.ts'],
      ['DUPLICATE 00001_b.ts: the version 00001 is also that of migrations/00001_a.ts'],
    ],
    [
      ['00001_a.js', '00001_a.mjs'],
      ['DUPLICATE 00001_a.mjs: the version 00001 is also that of migrations/00001_a.js'],
    ],
    [
      ['00001_a.ts', '00004_b.ts'],
      ['GAP 00004_b.ts: 00002 to 00003 is missing before it, after migrations/00001_a.ts'],
    ],
    [['00002_b.ts'], ['GAP 00002_b.ts: 00001 is missing before it']],
    [['00000_b.ts'], ['BAD_NAME 00000_b.ts: versions start at 00001']],
    ...['1_a.ts', '00001-a.ts', '00001_.ts', '000001_a.ts', '00001_a b.ts', '00001_a.tsx', '00001a.js'].map(
      (name) => [[name], [expect.stringContaining(`BAD_NAME ${name}: `)]] as const,
    ),
  ])('%j is told', async (names, expected) => {
    await put(...names)
    expect(await problems()).toEqual(expected)
  })

  test('everything that is wrong is told at once', async () => {
    await put('00001_a.ts', '00001_b.ts', '00004_d.ts', '5_e.ts')
    await project.write({ 'migrations/00002_c.ts': 'export const up = 1', 'migrations/00003_s.ts': 'let' })
    const thrown = await loadMigrations({ dir: project.dir }).then(String, (error: unknown) => error)
    if (!(thrown instanceof MigrationFileError)) throw new Error('no MigrationFileError')
    expect(thrown.problems.map(({ code }) => code).toSorted()).toEqual([
      'BAD_NAME',
      'DEFINITION',
      'DUPLICATE',
      'SYNTAX',
    ])
    expect(thrown.message).toContain('4 problems in the migration files\n  migrations/5_e.ts: ')
    expect(thrown).toMatchObject({ exitCode: 2, code: 'MIGRATION_FILE' })
  })

  test('a folder that is not there is a usage error that says what to do', async () => {
    const { exitCode, stderr } = await migrate('validate')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('error: there is no folder migrations\nhint: name it with --dir, or')
  })
})

describe('definitions', () => {
  async function faults(text: string): Promise<string[]> {
    await project.write({ 'migrations/00001_docs_cosine.ts': text })
    const found = await inspectMigrations({ dir: project.dir })
    return found.problems.map(({ line, message, hint }) => `${String(line)} ${message} (${String(hint)})`)
  }

  test('of both forms are loaded, with all that they say', async () => {
    await project.write({
      'migrations/00001_docs_cosine.ts': `import { defineMigration, double } from 'chroma-ops'
export const one = double(1)
export default defineMigration({ description: 'x', dependsOn: [], env: ['prod'], backup: 'never',
  startup: 'never', irreversible: 'no', check() {}, async up() { return void one }, down() {} })`,
      'migrations/00002_more.ts': `export const dependsOn = ['00001']\nexport async function up() {}`,
    })
    const [first, second] = await loadMigrations({ dir: project.dir })
    expect(first?.definition).toEqual({
      description: 'x',
      dependsOn: [],
      env: ['prod'],
      backup: 'never',
      startup: 'never',
      irreversible: 'no',
      check: expect.any(Function),
      up: expect.any(Function),
      down: expect.any(Function),
    })
    expect(second?.definition).toEqual({
      description: 'more',
      dependsOn: ['00001'],
      up: expect.any(Function),
    })
  })

  test('use the very chroma-ops that runs them', async () => {
    await project.write({
      'migrations/00001_a.ts': `import { double } from 'chroma-ops'
import { double as same } from 'chroma-ops/migrate'
export const check = double
export const down = same
${UP}`,
    })
    const [migration] = await loadMigrations({ dir: project.dir })
    expect(migration?.definition).toMatchObject({ check: double, down: double })
  })

  test.each([
    ['', 'null exports nothing (export default'],
    ['export const a = 1, up = () => {}', '1 `a` is not a part of a migration (choose from: description,'],
    ['\nexport default {}', '2 `up` is missing (export default'],
    [
      '\n\nexport default { up() {}, dwon() {} }',
      '3 `dwon` is not a part of a migration (did you mean down?)',
    ],
    ['export default 7', '1 the default export is a number, not a definition'],
    ['export default () => {}', '1 the default export is a function, not a definition'],
    ['export const down = () => {}\nexport default { up() {} }', '2 exports down beside the definition'],
    ['export default { up: 1 }', '1 `up` must be a function, and is a number'],
    [
      'export default { up() {}, backup: "often" }',
      "1 `backup` must be 'auto', 'always' or 'never', and is \"often\"",
    ],
    [
      'export default { up() {}, env: "prod" }',
      '1 `env` must be a list of names such as [\'production\'], and is "prod"',
    ],
    [
      'export default { up() {}, dependsOn: [1] }',
      "1 `dependsOn` must be a list of versions such as ['00003'], and is the list [1]",
    ],
    ['export default { up() {}, description: " " }', '1 `description` must be a text, and is empty'],
    ['export default { up() {}, dependsOn: ["00009"] }', 'null depends on 00009, which is not there'],
    ['export default { up() {}, dependsOn: ["00001"] }', 'null depends on 00001, which comes after it'],
  ])('%j is refused', async (text, expected) => {
    expect(await faults(text)).toEqual([expect.stringContaining(expected)])
  })

  test('a file that never ends loading is given up', async () => {
    await put('00001_a.ts')
    await project.write({ 'migrations/00002_b.ts': `await new Promise(() => {})\n${UP}` })
    const found = await inspectMigrations({ dir: project.dir, timeLimit: 200 })
    expect(found.migrations).toHaveLength(1)
    expect(found.problems).toMatchObject([
      { code: 'ENDLESS', message: 'has not finished loading after 0.2 s' },
    ])
  })

  test('a throw in a helper names the helper and its line', async () => {
    await project.write({
      'migrations/lib/a.ts': `type A = string\n\nexport function fail(): A {\n  throw new TypeError('no')\n}\n`,
      'migrations/00001_a.ts': `import { fail } from './lib/a.js'\nfail()\n${UP}`,
    })
    expect((await inspectMigrations({ dir: project.dir })).problems).toMatchObject([
      { file: 'migrations/lib/a.ts', line: 4, code: 'THROWS', message: 'throws when it is loaded: no' },
    ])
  })
})

describe('chroma-ops.sum', () => {
  const sum = () => readFile(path.join(project.dir, 'chroma-ops.sum'), 'utf8')
  const validation = async () => {
    const document = documentOf(await migrate('validate', '--offline', '--json'))
    return document['problems']
  }

  test('has a line for each file, which depends on those before it', async () => {
    await migrate('create', 'first')
    await migrate('create', 'second')
    const [header, first, second] = (await sum()).split('\n')
    expect(header).toBe('chroma-ops.sum 1')
    expect(first).toMatch(/^00001 first b1:[0-9a-f]{64} [0-9a-f]{32}$/)
    expect(second).toMatch(/^00002 second b1:[0-9a-f]{64} [0-9a-f]{32}$/)
    expect(await validation()).toEqual([])
    await project.write({ 'migrations/00001_first.ts': `${UP}// other` })
    await migrate('validate', '--update-sum')
    expect((await sum()).split('\n')[2]).not.toBe(second)
  })

  test('tells edited, new, missing and renamed files', async () => {
    await put('00001_a.ts', '00002_b.ts', '00003_c.ts')
    expect(await validation()).toMatchObject([
      { code: 'SUM', message: 'is missing', file: 'migrations/chroma-ops.sum' },
    ])
    await migrate('validate', '--update-sum')
    await project.write({ 'migrations/00001_a.ts': 'export const up = () => void 1' })
    await rename(path.join(project.dir, '00002_b.ts'), path.join(project.dir, '00002_x.ts'))
    await rm(path.join(project.dir, '00003_c.ts'))
    expect(await validation()).toMatchObject([
      { file: 'migrations/00001_a.ts', message: expect.stringContaining('is not what chroma-ops.sum says') },
      { file: 'migrations/00002_x.ts', message: 'is not in chroma-ops.sum' },
      {
        file: 'migrations/chroma-ops.sum',
        line: 3,
        message: expect.stringContaining('00002_b is written here'),
      },
      {
        file: 'migrations/chroma-ops.sum',
        line: 4,
        message: expect.stringContaining('00003_c is written here'),
      },
    ])
  })

  test.each([
    ['a changed checksum', (text: string) => text.replace('b1:', 'b1:0'), 2],
    ['a line taken out', (text: string) => text.replace(/^00001.*\n/m, ''), 2],
    [
      'lines of two branches, one after the other',
      (text: string) => text.replace(/(00002 \w+)(.*\n)/, '$1$2$1x$2'),
      4,
    ],
    ['markers of a merge', (text: string) => text.replace('00002', '<<<<<<< HEAD\n00002'), 3],
  ])('tells %s', async (_, change, line) => {
    await migrate('create', 'a')
    await migrate('create', 'b')
    await project.write({ 'migrations/chroma-ops.sum': change(await sum()) })
    expect(await validation()).toMatchObject([{ code: 'SUM', file: 'migrations/chroma-ops.sum', line }])
  })
})

describe('two branches that both add a migration', () => {
  test('cannot be merged without a conflict in the sum, which renumber settles', async () => {
    const git = (...words: readonly string[]) => {
      const options = { cwd: project.root, env: { PATH: process.env['PATH'] } }
      return runNow('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words], options)
    }
    const commit = () => [git('add', '.'), git('commit', '-q', '-m', 'x')]
    git('init', '-q', '-b', 'main')
    await migrate('create', 'first')
    commit()
    git('checkout', '-q', '-b', 'mine')
    await migrate('create', 'mine')
    commit()
    git('checkout', '-q', 'main')
    await migrate('create', 'theirs')
    commit()
    const { status, stdout } = git('merge', 'mine')
    expect(status).toBe(1)
    expect(stdout).toContain('Merge conflict in migrations/chroma-ops.sum')
    const conflicted = await migrate('validate')
    expect(conflicted.exitCode).toBe(2)
    expect(conflicted.stdout).toContain('has conflicts of a merge')
    expect((await migrate('renumber', '00002_mine.ts')).exitCode).toBe(0)
    expect((await migrate('validate')).exitCode).toBe(0)
  })
})

describe('renumber', () => {
  test('moves the one that is not merged yet to the end, and mends the sum', async () => {
    await put('00001_a.ts', '00002_theirs.ts', '00002_mine.ts')
    await project.write({ 'migrations/chroma-ops.sum': '<<<<<<< HEAD\n', 'migrations/00002_mine.js': UP })
    const { exitCode, stdout } = await migrate('renumber', '00002_mine')
    expect(stdout).toBe('migrations/00002_mine.ts is now migrations/00003_mine.ts\n')
    expect(exitCode).toBe(0)
    expect((await readdir(project.dir)).toSorted()).toEqual([
      '00001_a.ts',
      '00002_theirs.ts',
      '00003_mine.js',
      '00003_mine.ts',
      'chroma-ops.sum',
    ])
    expect((await migrate('validate')).exitCode).toBe(0)
  })

  test.each([
    ['00001', 'without 00001_a.ts the number 00001 would be missing'],
    ['00002', '00002 is the number of several migrations'],
    ['00009', 'there is no migration 00009'],
  ])('refuses %s', async (word, message) => {
    await put('00001_a.ts', '00002_b.ts', '00002_c.ts')
    const { exitCode, stderr } = await migrate('renumber', word)
    expect(stderr).toContain(message)
    expect(exitCode).toBe(2)
  })
})

describe('create', () => {
  test('takes the next number, never a taken one, and makes a fitting name', async () => {
    expect((await migrate('create', 'Docs cosine-2')).stdout).toBe('migrations/00001_docs_cosine_2.ts\n')
    expect((await migrate('create', 'b', '--js')).stdout).toBe('migrations/00002_b.js\n')
    const refused = await migrate('create', 'ä/b')
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('"ä/b" cannot be')])
    const unknown = await migrate('create', 'c', '--template', 'spice')
    expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining('did you mean space?')])
  })

  test('leaves lines of edited files as they are', async () => {
    await migrate('create', 'a')
    await project.write({ 'migrations/00001_a.ts': UP })
    await migrate('create', 'b')
    const { stdout, exitCode } = await migrate('validate')
    expect(stdout).toContain('00001_a.ts: is not what chroma-ops.sum says')
    expect(exitCode).toBe(2)
  })
})
