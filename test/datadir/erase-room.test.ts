import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { eraseFromDirectory } from '../../src/datadir/erase-directory.js'
import { makeDirectory, treeOf } from '../helpers/data-directories.js'
import { canMount, mountSmallDisk } from '../helpers/small-disk.js'

const withMounts = canMount ? test : test.skip

withMounts('nothing is erased where SQLite has no room for temporary files', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-erase-room-'))
  const disk = await mountSmallDisk(path.join(folder, 'disk'), 4_000_000)
  try {
    const directory = path.join(folder, 'data')
    await makeDirectory(directory, { records: 20, saved: true })
    const before = await treeOf(directory)
    await disk.leave(10_000)
    const job = { directory, idsIn: () => new Set(['id5']), serverStopped: true, sqliteTempDir: disk.path }
    await expect(eraseFromDirectory(job)).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringContaining('where SQLite keeps temporary files'),
    })
    expect(await treeOf(directory)).toEqual(before)
    await disk.leave(4_000_000)
    expect((await eraseFromDirectory(job)).proof.clean).toBe(true)
    const elsewhere = path.join(folder, 'gone')
    await expect(eraseFromDirectory({ ...job, sqliteTempDir: elsewhere })).resolves.toBeDefined()
  } finally {
    await disk.unmount()
    await rm(folder, { recursive: true, force: true })
  }
})
