import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { LocalStore } from '../../src/storage/local-store.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { expectJsonFailure, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { seedServer } from '../helpers/server-seeds.js'
import { canMount, mountSmallDisk, type SmallDisk } from '../helpers/small-disk.js'

const MIB = 1024 * 1024
/** What is left when the backup begins; `npm run test:soak` tries every 64 KiB. */
const STEP = Number(process.env['CHROMA_OPS_TEST_ROOM_STEP'] ?? 512 * 1024)
/** More than the backup takes. */
const ENOUGH = 3 * MIB

const withMount = canMount ? describe : describe.skip

withMount('a disk that runs full (needs unshare and mount)', () => {
  const chroma = chromaForSuite()
  const home = {
    tenant: 'default_tenant',
    database: 'default_database',
    metadata: null,
    space: 'l2',
  } as const
  let folder: string
  let disk: SmallDisk
  let repo: string
  let kept: string[]

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-full-'))
    disk = await mountSmallDisk(path.join(folder, 'disk'), 8 * MIB)
    repo = path.join(disk.path, 'backups')
    await withApi(chroma().url, async (api) => {
      await seedServer(api, [{ ...home, name: 'small', records: sampleBatch({ rows: 20, dimension: 4 }) }])
      await backUp(chroma().url, repo, '--series', 'main')
      await seedServer(api, [
        { ...home, name: 'big', records: sampleBatch({ rows: 1000, dimension: 512, first: 5000 }) },
        { ...home, name: 'more', records: sampleBatch({ rows: 300, dimension: 32, first: 9000 }) },
      ])
    })
    kept = await listedBackups(repo)
  })

  afterAll(async () => {
    await disk.unmount()
    await rm(folder, { recursive: true })
  })

  test('at any moment of a backup: a failure, no new backup, the old ones sound, and room again', async () => {
    let failures = 0
    for (let room = 0; room < ENOUGH; room += STEP) {
      await disk.leave(room)
      const before = await filesOf(repo)
      const args = ['backup', '--url', chroma().url, '--repo', repo, '--series', 'main', '--dry-run']
      await runJson(args)
      const fits = await fillsUp(room)
      if (fits) break
      failures++
      expect(await listedBackups(repo)).toEqual(kept)
      expect(await filesOf(repo)).toEqual(before)
      await expectSound(repo)
    }
    expect(failures).toBeGreaterThanOrEqual(2)
    await disk.leave(disk.size)
    await backUp(chroma().url, repo, '--series', 'after')
    await expectEqual(chroma().url, repo, '--series', 'after')
  })

  /** True when the backup fitted into the room after all. */
  async function fillsUp(room: number): Promise<boolean> {
    const args = [
      'backup',
      '--url',
      chroma().url,
      '--repo',
      repo,
      '--series',
      'main',
      '--tag',
      `room=${room}`,
    ]
    try {
      await expectJsonFailure(args, {
        exitCode: 1,
        code: 'STORE_FULL',
        message: 'no space left on the disk',
        hint: 'free space',
      })
      return false
    } catch (error) {
      if ((await listedBackups(repo)).length > kept.length) return true
      throw error
    }
  }

  test('lets us remove what is there', async () => {
    const store = new LocalStore(path.join(disk.path, 'other'))
    await store.put('objects/one', Buffer.alloc(100_000))
    await disk.leave(0)
    await store.delete('objects/one')
    expect(await readdir(path.join(disk.path, 'other', 'objects'))).toEqual([])
    await store.put('objects/two', Buffer.alloc(90_000))
  })

  test('of temporary files is told as what it is', async () => {
    await disk.leave(0)
    const temp = path.join(disk.path, 'temp')
    const other = path.join(folder, 'other')
    await expectJsonFailure(
      ['backup', '--url', chroma().url, '--repo', other, '--init', '--temp-dir', temp],
      {
        exitCode: 1,
        code: 'TEMP_FILE',
        message: 'no space left',
        hint: '--temp-dir',
      },
    )
    expect(await listedBackups(other)).toEqual([])
  })
})

/** Of backups, whole or not; the audit log may find room again after a failure. */
async function filesOf(repo: string): Promise<string[]> {
  const entries = await readdir(repo, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name))
  return files.filter((file) => !file.includes('/log/')).sort()
}
