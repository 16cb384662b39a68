import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { withDirectoryLock } from '../../src/datadir/directory-lock.js'
import { canMount, mountSmallDisk } from '../helpers/small-disk.js'

const root = path.resolve(import.meta.dirname, '../..')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-lock-'))
})
afterEach(() => rm(folder, { recursive: true }))

const job = { purpose: 'cleanup' }
const locks = () => readdir(path.join(folder, '.chroma-ops'))

/** Another process that takes the lock and keeps it until it is killed. */
async function holdElsewhere(): Promise<{ kill(): Promise<void> }> {
  const child = spawn(
    process.execPath,
    [
      '--import',
      path.join(root, 'test/helpers/run-typescript.js'),
      '--input-type=module',
      '-e',
      `import { withDirectoryLock } from ${JSON.stringify(path.join(root, 'src/datadir/directory-lock.ts'))}
       await withDirectoryLock(${JSON.stringify(folder)}, { purpose: 'restore' }, async () => {
         console.log('held')
         await new Promise((resolve) => setTimeout(resolve, 60_000))
       })`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: root },
  )
  await once(child.stdout, 'data')
  return {
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

test('work runs under the lock, which is gone afterwards, also when the work fails', async () => {
  await withDirectoryLock(folder, job, async ({ stillMine }) => {
    expect(await locks()).toHaveLength(1)
    await stillMine()
  })
  await expect(
    withDirectoryLock(folder, job, async () => {
      throw new Error('broke')
    }),
  ).rejects.toThrow('broke')
  expect(await locks()).toEqual([])
})

test('a second run in the same process is refused, and the first goes on', async () => {
  await withDirectoryLock(folder, job, async ({ stillMine }) => {
    await expect(withDirectoryLock(folder, job, async () => 1)).rejects.toMatchObject({
      code: 'DIRECTORY_LOCKED',
      exitCode: 11,
    })
    await stillMine()
  })
})

test('of many runs that come at once, never two work at a time', async () => {
  let working = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++working)
    await new Promise((resolve) => setTimeout(resolve, 5))
    working--
  }
  await Promise.all(
    Array.from({ length: 6 }, () => withDirectoryLock(folder, { ...job, waitMs: 20_000 }, work)),
  )
  expect(most).toBe(1)
  expect(await locks()).toEqual([])
})

test('a run in another process is named; when it was killed, its lock is taken over', async () => {
  const other = await holdElsewhere()
  await expect(withDirectoryLock(folder, job, async () => 1)).rejects.toThrow(
    /locked by another run \(restore, process \d+ on /,
  )
  await other.kill()
  expect(await locks()).toHaveLength(1)
  expect(await withDirectoryLock(folder, job, async () => 1)).toBe(1)
  expect(await locks()).toEqual([])
})

test('a lock of a process that cannot be seen holds until its heartbeat is 5 minutes old', async () => {
  await mkdir(path.join(folder, '.chroma-ops'))
  const foreign = path.join(folder, '.chroma-ops', 'lock=7,100,boot,pid%3A%5B1%5D,other-machine,backup,1234')
  await writeFile(foreign, '')
  await expect(withDirectoryLock(folder, job, async () => 1)).rejects.toMatchObject({
    message: expect.stringContaining('process 7 on other-machine'),
    hint: expect.stringContaining(`delete ${foreign}`),
  })
  const old = new Date(Date.now() - 301_000)
  await utimes(foreign, old, old)
  expect(await withDirectoryLock(folder, job, async () => 1)).toBe(1)
})

test('a lock whose name cannot be read is never ignored', async () => {
  await mkdir(path.join(folder, '.chroma-ops'))
  await writeFile(path.join(folder, '.chroma-ops', 'lock=%%%'), '')
  await expect(withDirectoryLock(folder, job, async () => 1)).rejects.toMatchObject({ exitCode: 11 })
})

test('a run whose lock was taken away is told before it does harm', async () => {
  await expect(
    withDirectoryLock(folder, job, async ({ stillMine }) => {
      for (const name of await locks()) await rm(path.join(folder, '.chroma-ops', name))
      await stillMine()
    }),
  ).rejects.toMatchObject({ code: 'DIRECTORY_LOCK_LOST', exitCode: 11 })
})

test('a full disk can be locked', async () => {
  if (!canMount) return
  const disk = await mountSmallDisk(path.join(folder, 'disk'), 1 << 20)
  try {
    await disk.leave(0)
    expect(await withDirectoryLock(disk.path, job, async () => 1)).toBe(1)
  } finally {
    await disk.unmount()
  }
})
