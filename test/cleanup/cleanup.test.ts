import { tmpdir } from 'node:os'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { applyCleanup, planOf, type ApplyJob } from '../../src/cleanup/apply.js'
import { defaultQuarantine } from '../../src/cleanup/run-record.js'
import { CLEANUP_TARGETS } from '../../src/cleanup/report.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { startChroma } from '../helpers/chroma-server.js'
import {
  LITTER_TENANTS,
  makeLitteredDirectory,
  stateOf,
  type LitteredDirectory,
} from '../helpers/littered-directory.js'
import { expectSameContents, serverContents, type ServerContents } from '../helpers/server-contents.js'

let littered: LitteredDirectory
beforeAll(async () => {
  littered = await makeLitteredDirectory()
})
afterAll(() => littered.dispose())

function jobFor(directory: string, changes: Partial<ApplyJob> = {}): ApplyJob {
  return {
    directory,
    targets: CLEANUP_TARGETS,
    quarantine: defaultQuarantine(directory),
    sqliteTempDir: tmpdir(),
    via: null,
    now: () => new Date(),
    serverStopped: true,
    allowEmpty: false,
    requireBackup: async () => {},
    ...changes,
  }
}

/** What a real server says of a directory. */
async function contentsOf(directory: string): Promise<ServerContents> {
  const server = await startChroma({ directory })
  try {
    return await serverContents(server.url, LITTER_TENANTS)
  } finally {
    await server.halt()
  }
}

describe('cleanup of a directory with litter', () => {
  test('a plan names everything, changes nothing, and is the same when asked again', async () => {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const plan = await planOf(jobFor(directory))
    expect(plan.steps.map(({ id, count }) => [id, count])).toEqual([
      ['index-directories', 4],
      ['embedding_metadata_array', 321],
      ['segments', 2],
      ['vacuum', 1],
    ])
    expect(plan.steps.every(({ fits }) => fits)).toBe(true)
    expect(await planOf(jobFor(directory))).toEqual({ ...plan, freeBytes: expect.any(Number) })
    expect(await stateOf(directory)).toEqual(before)
  })

  test('everything alive is there afterwards, and undoing it gives the same bytes and rows', async () => {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const result = await applyCleanup(jobFor(directory, { targets: ['orphans', 'wal', 'fts'] }))
    expect(result.errors).toEqual([])
    const after = await stateOf(directory)
    expect(after).not.toEqual(before)
    expect((await planOf(jobFor(directory, { targets: ['orphans', 'wal', 'fts'] }))).steps).toEqual([])
    const undone = await undoCleanup({
      directory,
      quarantine: defaultQuarantine(directory),
      serverStopped: true,
    })
    expect(undone.errors).toEqual([])
    expect(await stateOf(directory)).toEqual(before)
  })

  test('a server gives the same answers before and after', async () => {
    const expected = await contentsOf(await littered.copy())
    expect(expected.size).toBe(3)
    const directory = await littered.copy()
    await applyCleanup(jobFor(directory))
    expectSameContents(await contentsOf(directory), expected)
  })
})
