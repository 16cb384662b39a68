import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { startChroma } from '../helpers/chroma-server.js'
import { addDocuments, makeDirectory, treeOf } from '../helpers/data-directories.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { idOf, listedBackups } from '../helpers/repositories.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

/** `npm run test:soak` flips more bits. */
const BITS = Number(process.env['CHROMA_OPS_TEST_BITS'] ?? 6)

let folder: string
let made: string
let data: string
let repo: string
let round = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-physical-'))
  made = path.join(folder, 'made')
  await makeDirectory(made, { records: 400, saved: true })
}, 60_000)

afterAll(() => rm(folder, { recursive: true }))

beforeEach(async () => {
  const here = path.join(folder, String(++round))
  data = path.join(here, 'data')
  repo = path.join(here, 'repository')
  await mkdir(here)
  await cp(made, data, { recursive: true })
})

const backUp = (...flags: string[]) => runJson(['backup', '--path', data, '--repo', repo, '--init', ...flags])

test('a directory without a database is refused under its own name', async () => {
  const empty = path.join(path.dirname(data), 'empty')
  await mkdir(empty)
  await expectFailure(['backup', '--path', empty, '--repo', repo, '--init'], {
    exitCode: 10,
    code: 'NOT_A_DATA_DIRECTORY',
    message: `${empty} is not a data directory`,
  })
})

test('the files come back byte for byte, with their modes, and a second backup stores next to nothing', async () => {
  await mkdir(path.join(data, 'notes'))
  await writeFile(path.join(data, 'notes', 'empty'), '')
  await writeFile(path.join(data, 'notes', 'read-only'), 'kept', { mode: 0o440 })
  const first = await backUp()
  expect(first).toMatchObject({
    backup: {
      type: 'physical',
      status: 'complete',
      consistency: { kind: 'offline' },
      counts: { records: 400 },
    },
    problems: [],
    leftOut: [],
  })
  const second = await backUp()
  expect(second).toMatchObject({ newBlockBytes: 0, backup: { sizes: { added: 0 } } })
  const target = path.join(folder, `restored-${round}`)
  await runJson(['restore', 'latest', '--repo', repo, '--path', target])
  expect(await treeOf(target)).toEqual(await treeOf(data))
  const listed = await runJson(['backup', 'list', '--repo', repo])
  expect(listed).toMatchObject({ backups: [{ type: 'physical' }, { type: 'physical' }] })
  expect(await runJson(['backup', 'show', 'latest', '--repo', repo])).toMatchObject({
    collections: [{ name: 'docs', records: 400, status: 'complete' }],
  })
})

test('one flipped bit in any object is found and named; a restore of it leaves nothing behind', async () => {
  await backUp()
  const [objects] = await readdir(path.join(repo, 'objects'))
  const names = await readdir(path.join(repo, 'objects', objects ?? ''))
  expect(names.length).toBeGreaterThan(1)
  for (let flip = 0; flip < Math.max(BITS, names.length); flip++) {
    const file = path.join(repo, 'objects', objects ?? '', names[flip % names.length] ?? '')
    const sound = await readFile(file)
    const damaged = Buffer.from(sound)
    const at = Math.floor(Math.random() * damaged.length)
    damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(Math.random() * 8))
    await writeFile(file, damaged)
    const run = await runCli(['backup', 'verify', '--repo', repo, '--json'])
    expect(run.exitCode).toBe(13)
    expect(run.stdout).toContain(path.basename(file))
    const target = path.join(folder, `damaged-${round}`)
    expect((await runCli(['restore', 'latest', '--repo', repo, '--path', target])).exitCode).toBe(13)
    await expect(readdir(target)).rejects.toMatchObject({ code: 'ENOENT' })
    await writeFile(file, sound)
  }
  await runJson(['backup', 'verify', '--depth', 'records', '--repo', repo])
})

test('after a few more records, blocks of vectors are used again, and the older backup stays whole', async () => {
  const earlier = await treeOf(data)
  const first = await backUp()
  await serveAndAdd(400, 8)
  const second = await backUp()
  expect(second).toMatchObject({ backup: { status: 'complete', counts: { records: 408 } } })
  expect(Number(second['newBlockBytes'])).toBeLessThan(Number(first['newBlockBytes']))
  const target = path.join(folder, `older-${round}`)
  await runJson(['restore', 'latest~1', '--repo', repo, '--path', target])
  expect(await treeOf(target)).toEqual(earlier)
})

test('a symbolic link is told and left out; one in place of data is refused', async () => {
  await symlink('/etc/hostname', path.join(data, 'link'))
  expect(await backUp()).toMatchObject({ leftOut: [{ path: 'link', what: 'symbolic link' }] })
  const [segment = ''] = (await readdir(data)).filter((name) => name.includes('-'))
  await cp(path.join(data, segment), path.join(folder, `elsewhere-${round}`), { recursive: true })
  await rm(path.join(data, segment), { recursive: true })
  await symlink(path.join(folder, `elsewhere-${round}`), path.join(data, segment))
  const refused = await runCli(['backup', '--path', data, '--repo', repo])
  expect(refused).toMatchObject({ exitCode: 16 })
  expect(refused.stderr).toContain(`${segment} is a symbolic link`)
})

test('a damaged directory gives a partial backup, which is never latest and needs a word to be restored', async () => {
  const [segment = ''] = (await readdir(data)).filter((name) => name.includes('-'))
  await truncate(path.join(data, segment, 'data_level0.bin'), 5000)
  const run = await runCli(['backup', '--path', data, '--repo', repo, '--init', '--json'])
  expect(run.exitCode).toBe(4)
  expect(documentOf(run)).toMatchObject({
    backup: { status: 'partial' },
    collections: [{ status: 'incomplete' }],
  })
  expect((await runCli(['restore', 'latest', '--repo', repo, '--path', `${data}.new`])).exitCode).toBe(10)
  const id = idOf(documentOf(run)['backup'])
  expect((await runCli(['restore', id, '--repo', repo, '--path', `${data}.new`])).exitCode).toBe(15)
  await runJson(['restore', id, '--repo', repo, '--path', `${data}.new`, '--allow-partial'])
  expect(await treeOf(`${data}.new`)).toEqual(await treeOf(data))
})

test('a directory that is full of something is not restored into, and one that shrank is not backed up', async () => {
  await backUp()
  const refused = await runCli(['restore', 'latest', '--repo', repo, '--path', data])
  expect(refused).toMatchObject({ exitCode: 15 })
  expect(refused.stderr).toContain('--mode replace')
  await rm(data, { recursive: true })
  await makeDirectory(data, { records: 10, saved: false })
  const shrunk = await runCli(['backup', '--path', data, '--repo', repo])
  expect(shrunk).toMatchObject({ exitCode: 15 })
  expect(shrunk.stderr).toContain('--allow-shrink')
  await backUp('--allow-shrink')
})

test('two backups and two restores at once: each backup is whole, one of the restores waits for none', async () => {
  await Promise.all([backUp('--series', 'one'), backUp('--series', 'two')])
  await runJson(['backup', 'verify', '--depth', 'records', '--repo', repo])
  const [latest = ''] = await listedBackups(repo)
  const target = path.join(folder, `both-${round}`)
  const restore = () => runCli(['restore', latest, '--repo', repo, '--path', target])
  const codes = (await Promise.all([restore(), restore()])).map(({ exitCode }) => exitCode).sort()
  expect([
    [0, 11],
    [0, 15],
  ]).toContainEqual(codes)
  expect(await treeOf(target)).toEqual(await treeOf(data))
})

test('a backup of records is restored into a directory, and a physical one into a server', async () => {
  await backUp()
  const chroma = await startChroma()
  try {
    const restored = await runJson(['restore', 'latest', '--repo', repo, '--url', chroma.url])
    expect(restored).toMatchObject({ records: 400, equal: true })
    await runJson(['backup', 'verify', '--against', chroma.url, '--repo', repo])
  } finally {
    await chroma.stop()
  }
  await runJson(['backup', '--path', data, '--type', 'full', '--repo', repo, '--series', 'records'])
  const target = path.join(folder, `from-records-${round}`)
  await runJson(['restore', 'latest', '--series', 'records', '--repo', repo, '--path', target])
  expect(await backUpOf(target)).toMatchObject({ backup: { status: 'complete', counts: { records: 400 } } })
})

test('a drill tries out a physical backup', async () => {
  await backUp()
  expect(await runJson(['backup', 'drill', '--repo', repo])).toMatchObject({ status: 'ok', records: 400 })
})

test('what cannot be written to is told, and the repository stays as it was', async () => {
  await backUp()
  const target = path.join(folder, `closed-${round}`)
  await mkdir(target)
  await chmod(target, 0o555)
  const run = await runCli(['restore', 'latest', '--repo', repo, '--path', target])
  // The tests may run as root, who may write anywhere.
  expect([0, 14]).toContain(run.exitCode)
})

async function backUpOf(directory: string) {
  return runJson(['backup', '--path', directory, '--repo', repo, '--series', 'again'])
}

async function serveAndAdd(first: number, records: number): Promise<void> {
  // The server only works on directories that chroma-ops has made.
  await mkdir(path.join(data, '.chroma-ops'), { recursive: true })
  await writeFile(path.join(data, '.chroma-ops', 'created-by-chroma-ops'), '')
  const chroma = await startChroma({ directory: data })
  try {
    await addDocuments(chroma.url, { first, records, threshold: 400 })
  } finally {
    await chroma.halt()
  }
}
