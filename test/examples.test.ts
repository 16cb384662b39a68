import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { builtCli } from './helpers/built-cli.js'
import { startChroma, type TestChroma } from './helpers/chroma-server.js'

const examples = path.resolve(import.meta.dirname, '../examples')
let folder: string
let from: TestChroma
let to: TestChroma

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-examples-'))
  // The examples import the package by its name, as an application does.
  const build = path.dirname(path.dirname(await builtCli()))
  await mkdir(path.join(folder, 'node_modules'))
  await symlink(build, path.join(folder, 'node_modules', 'chroma-ops'))
  await cp(examples, path.join(folder, 'examples'), { recursive: true })
  ;[from, to] = await Promise.all([startChroma(), startChroma()])
})

afterAll(async () => {
  await Promise.all([from.stop(), to.stop()])
  await rm(folder, { recursive: true, force: true })
})

test('every short program is run by a test', async () => {
  const tests = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.test.ts'))
  const texts = await Promise.all(tests.map((name) => readFile(path.join(import.meta.dirname, name), 'utf8')))
  const programs = (await readdir(examples)).filter((name) => name.endsWith('.mjs'))
  expect(programs.filter((name) => !texts.some((text) => text.includes(`${name}'`)))).toEqual([])
})

test('a backup of one server is restored into another, listed and verified', async () => {
  const { fillServer, readDemoCollections, ask } = await demoRecords()
  const collections = await readDemoCollections()
  await fillServer(from.url, collections)

  const copied = await run('backup-and-restore.mjs', from.url, './backups', to.url)
  expect(copied).toMatchObject({ exitCode: 0, stderr: '' })
  expect(copied.stdout.split('\n').slice(1, -1)).toEqual([
    'default_database/definitions: 300 records, equal',
    'default_database/jargon: 481 records, equal',
    'science/elements: 103 records, equal',
    'science/field-notes: 0 records, equal',
  ])
  for (const collection of collections.filter(({ question }) => question !== undefined))
    expect((await ask(to.url, collection)).id).toBe((await ask(from.url, collection)).id)

  const listed = await run('list-backups.mjs', './backups')
  expect(listed.stdout).toMatch(/^\S+ {2}complete {2}884 records, \d+ bytes\n$/)

  const verified = await run('verify-latest.mjs', './backups')
  expect(verified).toMatchObject({ exitCode: 0 })
  expect(verified.stdout).toMatch(/: ok, \d+ bytes read\n$/)

  await damageAnObject(path.join(folder, 'backups'))
  const damaged = await run('verify-latest.mjs', './backups')
  expect(damaged.exitCode).toBe(13)
  expect(damaged.stdout).toContain(': damaged, ')
})

test('a repository that is not there is told with the exit code of the command line', async () => {
  const { exitCode, stderr } = await run('verify-latest.mjs', './nowhere')
  expect(exitCode).toBe(10)
  expect(stderr).toContain('nowhere')
})

interface DemoRecords {
  readonly fillServer: (url: string, collections: readonly DemoCollection[]) => Promise<void>
  readonly readDemoCollections: () => Promise<readonly DemoCollection[]>
  readonly ask: (url: string, collection: DemoCollection) => Promise<{ id: string }>
}

interface DemoCollection {
  readonly name: string
  readonly question?: string
}

async function demoRecords(): Promise<DemoRecords> {
  const module: unknown = await import(path.join(examples, 'demo-records.mjs'))
  if (!isDemoRecords(module)) throw new Error('demo-records.mjs lacks an export')
  return module
}

function isDemoRecords(module: unknown): module is DemoRecords {
  return typeof module === 'object' && module !== null && 'fillServer' in module && 'ask' in module
}

async function damageAnObject(repository: string): Promise<void> {
  const entries = await readdir(path.join(repository, 'objects'), { recursive: true, withFileTypes: true })
  const file = entries.find((entry) => entry.isFile())
  if (file === undefined) throw new Error('no objects')
  await truncate(path.join(file.parentPath, file.name), 10)
}

async function run(program: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, [path.join('examples', program), ...args], { cwd: folder })
  const text = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()))
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  return { exitCode, ...text }
}
