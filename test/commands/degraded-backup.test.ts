import { cp, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { writeKeyFile } from '../../src/commands/write-key-file.js'
import { makeDirectory } from '../helpers/data-directories.js'
import { FakeS3 } from '../helpers/fake-s3.js'
import { unusedPort } from '../helpers/http-server.js'
import { expectFailure, impatient, runJson } from '../helpers/outcomes.js'
import { idOf } from '../helpers/repositories.js'
import { canMount, mountSmallDisk } from '../helpers/small-disk.js'

let made: string
let data: string
let folder: string
let mounted: string
let spool: string

beforeAll(async () => {
  made = await mkdtemp(path.join(tmpdir(), 'chroma-ops-degraded-data-'))
  data = path.join(made, 'data')
  await makeDirectory(data, { records: 60, saved: true })
})

afterAll(() => rm(made, { recursive: true }))

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-degraded-'))
  mounted = path.join(folder, 'mounted')
  spool = path.join(folder, 'spool')
})

afterEach(() => rm(folder, { recursive: true }))

const place = () => ['--repo', path.join(mounted, 'backups'), '--spool-dir', spool]
const records = () => ['backup', '--path', data, '--type', 'full', '--series', 'docs', ...place()]
const files = () => ['backup', '--path', data, '--series', 'docs', ...place()]
const unmount = () => rename(mounted, path.join(folder, 'unmounted'))
const mount = () => rename(path.join(folder, 'unmounted'), mounted)

async function idsIn(key: readonly string[] = []): Promise<string[]> {
  const { backups } = await runJson(['backup', 'list', '--repo', path.join(mounted, 'backups'), ...key])
  if (!Array.isArray(backups)) throw new Error('no list')
  return backups.map(idOf)
}

/** Unlike a passphrase it opens at once. */
async function keyFile(): Promise<string[]> {
  const file = path.join(folder, 'key')
  await writeKeyFile(file, new Date())
  return ['--repo-key-file', file]
}

async function spooled(): Promise<string[]> {
  const entries = await readdir(spool, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

test.each(['plain', 'encrypted'])('while the store is away backups wait in the spool: %s', async (kind) => {
  const key = kind === 'plain' ? [] : await keyFile()
  const first = await runJson([...files(), ...key, '--init'])
  expect(first).toMatchObject({ degraded: [], resumed: null })
  await unmount()
  const second = await runJson([...records(), ...key], 3)
  expect(second).toMatchObject({
    repository: expect.stringContaining(spool),
    backup: { status: 'complete', type: 'full' },
    degraded: [
      {
        code: 'STORE_AWAY',
        message: expect.stringContaining('on this machine only'),
        recover: expect.stringContaining(
          `chroma-ops repo push --spool-dir ${spool} --repo ${path.join(mounted, 'backups')}`,
        ),
      },
    ],
  })
  const third = await runJson([...files(), ...key], 3)
  await expectFailure(['repo', 'push', ...place()], {
    exitCode: 10,
    code: 'REPOSITORY_NOT_FOUND',
    message: 'no repository',
  })
  const { instances } = await runJson(['status', '--path', data, ...place(), ...key], 4)
  const waiting = [idOf(second['backup']), idOf(third['backup'])]
  expect(instances).toMatchObject([{ status: 'critical', spooled: waiting, backups: null }])
  expect(JSON.stringify(instances)).toContain('2 backups wait, since')
  await mount()
  // Needs no key.
  const pushed = await runJson(['repo', 'push', ...place()])
  expect(pushed).toMatchObject({ pushed: waiting })
  expect(await idsIn(key)).toEqual([...waiting, idOf(first['backup'])].sort().reverse())
  for (const id of waiting)
    await runJson(['backup', 'verify', id, '--repo', path.join(mounted, 'backups'), ...key])
  expect((await spooled()).filter((name) => name.includes('.json') && name !== 'repo.json')).toHaveLength(
    kind === 'plain' ? 0 : 1,
  )
  expect(await runJson(['repo', 'push', ...place()])).toMatchObject({ pushed: [], objects: 0 })
  expect(await runJson([...files(), ...key])).toMatchObject({ degraded: [] })
})

test('the next backup moves what waits', async () => {
  await runJson([...files(), '--init'])
  await unmount()
  const waiting = await runJson(files(), 3)
  await mount()
  expect(await runJson(files())).toMatchObject({ degraded: [] })
  expect(await idsIn()).toContain(idOf(waiting['backup']))
})

test('a push that was stopped goes on; damage in the spool is found, and the repository is not touched', async () => {
  await runJson([...files(), '--init'])
  await unmount()
  const waiting = await runJson(files(), 3)
  await mount()
  const [own = ''] = await readdir(spool)
  const objects = path.join(spool, own, 'objects', idOf(waiting['backup']))
  const [name = ''] = await readdir(objects)
  const there = path.join(mounted, 'backups', 'objects', idOf(waiting['backup']))
  await cp(objects, there, { recursive: true })
  await rm(path.join(there, name))
  await rename(path.join(objects, name), path.join(folder, 'kept'))
  await writeFile(path.join(objects, name), 'something else')
  await expectFailure(['repo', 'push', ...place()], {
    exitCode: 13,
    code: 'SPOOL_DAMAGED',
    message: 'is not what was written',
  })
  expect(await idsIn()).toHaveLength(1)
  // A damaged spool does not keep the next backup from being made.
  expect(await runJson(files(), 3)).toMatchObject({ degraded: [{ code: 'SPOOL_WAITING' }] })
  await rename(path.join(folder, 'kept'), path.join(objects, name))
  expect(await runJson(['repo', 'push', ...place()])).toMatchObject({
    pushed: [idOf(waiting['backup'])],
    objects: 1,
  })
})

test('the spool of another repository is refused', async () => {
  await runJson([...files(), '--init'])
  await unmount()
  await runJson(files(), 3)
  await runJson(['repo', 'init', '--repo', path.join(mounted, 'backups')])
  const refusal = { exitCode: 15, code: 'SPOOL_FOREIGN', message: 'is the spool of repository' }
  await expectFailure(['repo', 'push', ...place()], refusal)
  await expectFailure(files(), refusal)
})

test('a store that was never there is not degraded but wrong', async () => {
  await expectFailure(files(), { exitCode: 10, code: 'REPOSITORY_NOT_FOUND', message: 'no repository' })
})

test('a store that goes away and comes back: S3', async () => {
  const s3 = await FakeS3.start()
  const { accessKeyId, secretAccessKey } = s3.credentials
  const earlier = { ...process.env }
  // The SDK reads them itself.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey })
  try {
    const at = ['--repo', 's3://bucket/x', '--endpoint-url', s3.endpoint, '--spool-dir', spool, ...impatient]
    const backup = ['backup', '--path', data, '--series', 'docs', ...at]
    await runJson([...backup, '--init'])
    s3.fault = () => ({ kind: 'status', status: 503, code: 'SlowDown' })
    const waiting = await runJson(backup, 3)
    expect(waiting).toMatchObject({ degraded: [{ code: 'STORE_AWAY' }] })
    s3.fault = () => null
    expect(await runJson(['repo', 'push', ...at])).toMatchObject({ pushed: [idOf(waiting['backup'])] })
    expect([...s3.objects().keys()].filter((key) => key.includes('sessions/'))).toEqual([])
    await runJson(['backup', 'verify', idOf(waiting['backup']), ...at])
  } finally {
    process.env = earlier
    await s3.stop()
  }
})

const onSmallDisk = canMount ? test : test.skip
onSmallDisk('a disk that is full is like a store that is away', async () => {
  const disk = await mountSmallDisk(path.join(folder, 'disk'), 8 * 1024 * 1024)
  try {
    const at = ['--repo', path.join(disk.path, 'backups'), '--spool-dir', spool]
    const backup = ['backup', '--path', data, '--series', 'docs', ...at]
    await runJson([...backup, '--type', 'full', '--init'])
    await disk.leave(16 * 1024)
    const waiting = await runJson(backup, 3)
    expect(waiting).toMatchObject({ degraded: [{ code: 'STORE_FULL' }] })
    await expectFailure(['repo', 'push', ...at], { exitCode: 1, code: 'STORE_FULL', message: 'no space' })
    await disk.leave(8 * 1024 * 1024)
    expect(await runJson(['repo', 'push', ...at])).toMatchObject({ pushed: [idOf(waiting['backup'])] })
  } finally {
    await disk.unmount()
  }
})

test('with --fallback-path the files of a server that is away are backed up, and it is said', async () => {
  const url = `http://127.0.0.1:${await unusedPort()}`
  const server = ['backup', '--url', url, '--repo', path.join(mounted, 'backups'), '--init', ...impatient]
  await expectFailure(server, { exitCode: 12, code: 'SERVER_UNREACHABLE', message: '127.0.0.1' })
  const fallback = [...server, '--fallback-path', data]
  const physical = await runJson(fallback, 3)
  const series = url.replace('http://', '').replaceAll(/[.:]/g, '-')
  expect(physical).toMatchObject({
    backup: { type: 'physical', series, status: 'complete', tags: { degraded: 'server-away' } },
    degraded: [{ code: 'SERVER_AWAY', recover: expect.stringContaining(`chroma-ops backup --repo`) }],
  })
  const logical = await runJson([...fallback, '--type', 'full'], 3)
  expect(logical).toMatchObject({ backup: { type: 'full', series, counts: { records: 60 } } })
  // Both at once.
  const both = [...fallback, '--spool-dir', spool]
  await runJson(both, 3)
  await unmount()
  expect(
    await runJson(
      both.filter((word) => word !== '--init'),
      3,
    ),
  ).toMatchObject({
    degraded: [{ code: 'STORE_AWAY' }, { code: 'SERVER_AWAY' }],
  })
})
