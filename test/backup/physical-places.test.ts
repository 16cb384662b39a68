import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { startCli } from '../helpers/cli-process.js'
import { makeDirectory, treeOf } from '../helpers/data-directories.js'
import { stateOf } from '../helpers/directory-state.js'
import { runJson } from '../helpers/outcomes.js'
import { listedBackups } from '../helpers/repositories.js'
import { documentOf } from '../helpers/run-cli.js'
import { runNow } from '../helpers/run-now.js'
import { canMount, mountSmallDisk } from '../helpers/small-disk.js'
import { holdTransaction } from '../helpers/transaction-holder.js'

const NOBODY = 65534
const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
const isRoot = process.getuid?.() === 0 && runNow('setpriv', [...asNobody.slice(1), 'true']).status === 0
const withRoot = isRoot ? test : test.skip
const withMount = canMount ? test : test.skip

let folder: string
let made: string
let here: string
let data: string
let repo: string
let round = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-places-'))
  await chmod(folder, 0o755)
  made = path.join(folder, 'made')
  await makeDirectory(made, { records: 1200, saved: true })
}, 60_000)

afterAll(() => rm(folder, { recursive: true }))

beforeEach(async () => {
  here = path.join(folder, String(++round))
  data = path.join(here, 'data')
  repo = path.join(here, 'repository')
  await mkdir(here)
  await cp(made, data, { recursive: true })
})

const backup = (...flags: string[]) => [
  'backup',
  '--path',
  data,
  '--repo',
  repo,
  '--init',
  '--json',
  ...flags,
]
const restore = (to: string, ...flags: string[]) => [
  'restore',
  'latest',
  '--repo',
  repo,
  '--path',
  to,
  '--server-stopped',
  '--json',
  ...flags,
]

/** In a process of its own. */
async function run(args: readonly string[], wrapper: readonly string[] = []) {
  const ended = await (await startCli(args, { wrapper, environment: { TMPDIR: here } })).ended
  return { exitCode: ended.exitCode, document: documentOf({ ...ended, exitCode: ended.exitCode ?? -1 }) }
}

/** With one folder mounted over another. */
const mounted = (from: string, over: string) => [
  'unshare',
  '-rm',
  'sh',
  '-c',
  'mount --bind "$1" "$2" && shift 2 && exec "$@"',
  'sh',
  from,
  over,
]

async function hotJournal(): Promise<void> {
  const holder = await holdTransaction(data, 'spilled')
  await holder.kill()
  expect((await lstat(path.join(data, 'chroma.sqlite3-journal'))).size).toBeGreaterThan(512)
  expect((await treeOf(data))['chroma.sqlite3']).not.toBe((await treeOf(made))['chroma.sqlite3'])
}

test('a directory whose writer was killed within a transaction is backed up as before it, and left as it is', async () => {
  await hotJournal()
  const before = await treeOf(data)
  const { exitCode, document } = await run(backup())
  expect({ exitCode, document }).toMatchObject({
    exitCode: 0,
    document: { backup: { status: 'complete', consistency: { kind: 'offline' }, counts: { records: 1200 } } },
  })
  expect(await treeOf(data)).toEqual(before)
  const target = path.join(here, 'restored')
  await runJson(restore(target))
  expect(await readdir(target)).not.toContain('chroma.sqlite3-journal')
  expect(await stateOf(target)).toEqual(await stateOf(made))
})

test('a writer that holds the lock is waited for; one that does not let go stops the backup, which leaves nothing', async () => {
  const holder = await holdTransaction(data, 'locked')
  const given = await run(backup('--timeout', '3s'))
  expect(given).toMatchObject({ exitCode: 18 })
  expect(await listedBackups(repo)).toEqual([])
  const waiting = run(backup())
  await pause(1500)
  await holder.kill()
  expect(await waiting).toMatchObject({ exitCode: 0 })
  expect(await readdir(here)).toEqual(['data', 'repository'])
})

test('writers are not kept waiting longer than they may be', async () => {
  await mkdir(path.join(data, 'notes'))
  // To look at them all takes longer than a millisecond.
  for (let n = 0; n < 500; n++) await writeFile(path.join(data, 'notes', String(n)), '')
  const holder = await holdTransaction(data, 'none')
  const { exitCode, document } = await run(backup('--max-stall', '1ms'))
  await holder.kill()
  expect({ exitCode, document }).toMatchObject({
    exitCode: 11,
    document: { error: { code: 'SNAPSHOT_STALL', hint: expect.stringContaining('--max-stall') } },
  })
  expect(await listedBackups(repo)).toEqual([])
  expect(await readdir(here)).toEqual(['data', 'repository'])
})

withMount('a repository or a staging folder that is full (needs unshare and mount)', async () => {
  const disk = await mountSmallDisk(path.join(here, 'disk'), 2 * 1024 * 1024)
  try {
    const small = path.join(disk.path, 'repository')
    await disk.leave(700 * 1024)
    const { exitCode, document } = await run(['backup', '--path', data, '--repo', small, '--init', '--json'])
    expect({ exitCode, document }).toMatchObject({
      exitCode: 1,
      document: { error: { message: expect.stringContaining('no space left') } },
    })
    expect(await listedBackups(small)).toEqual([])
    await hotJournal()
    await disk.leave(256 * 1024)
    const staged = await run(backup('--temp-dir', disk.path))
    expect(staged).toMatchObject({ exitCode: 1, document: { error: { code: 'DISK_FULL' } } })
    expect(await listedBackups(repo)).toEqual([])
    const target = path.join(disk.path, 'restored')
    await rm(path.join(data, 'chroma.sqlite3-journal'))
    await cp(made, data, { recursive: true, force: true })
    expect(await run(backup())).toMatchObject({ exitCode: 0 })
    expect(await run(restore(target))).toMatchObject({ document: { error: { code: 'DISK_FULL' } } })
    await expect(readdir(target)).rejects.toMatchObject({ code: 'ENOENT' })
  } finally {
    await disk.unmount()
  }
})

withMount(
  'a mount point below the directory is backed up, and not replaced (needs unshare and mount)',
  async () => {
    const [segment = ''] = (await readdir(data)).filter((name) => name.includes('-'))
    const elsewhere = path.join(here, 'elsewhere')
    await cp(path.join(data, segment), elsewhere, { recursive: true })
    await rm(path.join(data, segment), { recursive: true })
    await mkdir(path.join(data, segment))
    const over = mounted(elsewhere, path.join(data, segment))
    expect(await run(backup(), over)).toMatchObject({
      exitCode: 0,
      document: { backup: { status: 'complete' } },
    })
    const target = path.join(here, 'restored')
    await runJson(restore(target))
    expect(await treeOf(target)).toEqual(await treeOf(made))
    const refused = await run(restore(data, '--mode', 'replace'), over)
    expect(refused).toMatchObject({
      exitCode: 14,
      document: { error: { message: expect.stringContaining('mount point') } },
    })
    expect(await treeOf(elsewhere)).toEqual(await treeOf(path.join(made, segment)))
    expect((await treeOf(data))['chroma.sqlite3']).toBe((await treeOf(made))['chroma.sqlite3'])
  },
)

withMount(
  'a directory that is a mount point is backed up and replaced (needs unshare and mount)',
  async () => {
    const at = path.join(here, 'mounted')
    await mkdir(at)
    const over = mounted(data, at)
    const named = ['backup', '--path', at, '--repo', repo, '--init', '--json']
    expect(await run(named, over)).toMatchObject({ exitCode: 0 })
    await rm(path.join(data, 'chroma.sqlite3'))
    expect(await run(restore(at, '--mode', 'replace', '--drop-old'), over)).toMatchObject({ exitCode: 0 })
    expect(await treeOf(data)).toEqual(await treeOf(made))
  },
)

withRoot('a directory that may not be written to, or read (needs root and setpriv)', async () => {
  await chmod(here, 0o755)
  expect(await run(backup())).toMatchObject({ exitCode: 0 })
  const theirs = path.join(here, 'theirs')
  await mkdir(theirs)
  await chown(theirs, NOBODY, NOBODY)
  const wrapper = ['env', `TMPDIR=${theirs}`, ...asNobody]
  const target = path.join(here, 'closed')
  await mkdir(target, { mode: 0o755 })
  const closed = await run(restore(target), wrapper)
  expect(closed).toMatchObject({ exitCode: 14, document: { error: { code: 'DIRECTORY_NOT_WRITABLE' } } })
  expect(await readdir(target)).toEqual([])
  await chmod(path.join(data, 'chroma.sqlite3'), 0o600)
  const own = path.join(theirs, 'repository')
  const unread = await run(['backup', '--path', data, '--repo', own, '--init', '--json'], wrapper)
  expect(unread).toMatchObject({ exitCode: 14, document: { error: { code: 'DIRECTORY_NOT_READABLE' } } })
})

withRoot(
  'what root restores into the directory of another owner is theirs (needs root and setpriv)',
  async () => {
    expect(await run(backup())).toMatchObject({ exitCode: 0 })
    await chown(data, NOBODY, NOBODY)
    expect(await run(restore(data, '--mode', 'replace'))).toMatchObject({ exitCode: 0 })
    for (const name of Object.keys(await treeOf(data)))
      expect({ name, uid: (await lstat(path.join(data, name))).uid }).toEqual({ name, uid: NOBODY })
  },
)
