import { mkdir } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { withDatabase } from '../helpers/directory-state.js'
import { makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { runNow } from '../helpers/run-now.js'
import { canMount } from '../helpers/small-disk.js'

const MB = 1 << 20
const root = path.resolve(import.meta.dirname, '../..')

let littered: LitteredDirectory
beforeAll(async () => {
  littered = await makeLitteredDirectory()
  // Something to give back.
  await withDatabase(littered.path, (database) => {
    database.exec('CREATE TABLE waste (bytes)')
    for (let row = 0; row < 8; row++) database.exec('INSERT INTO waste VALUES (zeroblob(1000000))')
    database.exec('DROP TABLE waste')
  })
})
afterAll(() => littered.dispose())

/** A scenario of on-small-disk.ts on a copy of the directory, on a disk of 32 MB that only it sees. */
async function onSmallDisk(scenario: string, options = 'rw'): Promise<unknown> {
  const base = await littered.copy()
  const [disk, other] = [path.join(base, 'disk'), path.join(base, 'other')]
  await mkdir(disk)
  await mkdir(other)
  const script = `
    mount -t tmpfs -o size=32m tmpfs "$1" && cp -a "$2" "$1/data" && mount -o remount,${options} "$1" &&
    exec "$3" --import ./test/helpers/run-typescript.js test/cleanup/on-small-disk.ts "$4" "$1/data" "$5"`
  const words = ['-rm', 'sh', '-c', script, 'sh', disk, littered.path, process.execPath, scenario, other]
  const { stdout, stderr } = runNow('unshare', words, { cwd: root })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

/** Where this machine lets us mount a disk; else it is skipped. */
const mounted = canMount ? test : test.skip
const FREED = expect.any(Number)
const SAME = { errors: [], same: true, left: [], freedBytes: FREED }

describe('vacuum on a small disk', () => {
  mounted('in place: the rows are the same', async () => {
    expect(await onSmallDisk('in place')).toEqual({ ...SAME, replaced: false })
  })

  mounted('in place: refused when the journal would not fit, and nothing is changed', async () => {
    expect(await onSmallDisk('in place, no room')).toMatchObject({
      fits: [false],
      errors: [{ step: 'vacuum', code: 'NO_SPACE' }],
      freedBytes: 0,
      same: true,
    })
  })

  mounted('through another file system: by a rename when there is room for both', async () => {
    expect(await onSmallDisk('via, room for both')).toEqual({ ...SAME, replaced: true })
  })

  mounted('through another file system: over the original with 0 bytes free', async () => {
    const outcome = await onSmallDisk('via, 0 bytes free')
    expect(outcome).toEqual({ ...SAME, replaced: false })
    expect(Object.assign({ freedBytes: 0 }, outcome).freedBytes).toBeGreaterThan(7 * MB)
  })

  mounted('a folder of the same file system is refused', async () => {
    expect(await onSmallDisk('via the same file system')).toMatchObject({
      errors: [{ code: 'SAME_FILE_SYSTEM' }],
      same: true,
    })
  })

  mounted('killed while it overwrote: no server can open it, and the next run finishes', async () => {
    expect(await onSmallDisk('killed while overwriting')).toEqual({
      half: true,
      opened: 'DATABASE_DAMAGED',
      planned: 'VACUUM_UNFINISHED',
      errors: [],
      same: true,
      left: [],
    })
  })
})

describe('orphans on a full disk', () => {
  mounted('with a quarantine on it: told, and nothing is lost', async () => {
    expect(await onSmallDisk('orphans, 0 bytes free, quarantine here')).toEqual({
      failed: 'DISK_FULL',
      same: true,
    })
  })

  mounted('with a quarantine elsewhere: done and undone', async () => {
    expect(await onSmallDisk('orphans, 0 bytes free, quarantine elsewhere')).toMatchObject({
      errors: [],
      undone: [],
      same: true,
      freedBytes: FREED,
    })
  })

  mounted('without a quarantine: done', async () => {
    expect(await onSmallDisk('orphans, 0 bytes free, no quarantine')).toMatchObject({ errors: [] })
  })
})

mounted('a read-only mount can be looked at, and is not changed', async () => {
  expect(await onSmallDisk('read-only', 'ro')).toEqual({ steps: 4, failed: 'DIRECTORY_NOT_WRITABLE' })
})
