import { rm } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { startChroma } from '../helpers/chroma-server.js'
import { countOf, stateOf, withDatabase } from '../helpers/directory-state.js'
import { addRecords, makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { expectSameContents, type ServerContents } from '../helpers/server-contents.js'
import { contentsOf } from './contents.js'
import { cleanupJob, undoJob } from './jobs.js'

let littered: LitteredDirectory
let expected: ServerContents
beforeAll(async () => {
  littered = await makeLitteredDirectory()
  expected = await contentsOf(await littered.copy())
})
afterAll(() => littered.dispose())

const ROWS = { targets: ['orphans', 'wal', 'fts'] } as const

describe('cleanup of a directory with what deleted collections leave', () => {
  test('a plan names everything, changes nothing, and is the same when asked again', async () => {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const plan = await planOf(cleanupJob(directory))
    expect(plan.steps.map(({ id, count }) => [id, count])).toEqual([
      ['index-directories', 4],
      ['embedding_metadata_array', 321],
      ['segments', 2],
      ['vacuum', 1],
    ])
    expect(plan.steps.every(({ fits }) => fits)).toBe(true)
    expect(await planOf(cleanupJob(directory))).toEqual({ ...plan, freeBytes: expect.any(Number) })
    expect(await stateOf(directory)).toEqual(before)
  })

  test('undoing it gives the same bytes and rows', async () => {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const result = await applyCleanup(cleanupJob(directory, ROWS))
    expect(result.errors).toEqual([])
    expect(result.removed.map(({ id, count }) => [id, count])).toEqual([
      ['index-directories', 4],
      ['embedding_metadata_array', 321],
      ['segments', 2],
    ])
    expect(await stateOf(directory)).not.toEqual(before)
    expect((await planOf(cleanupJob(directory, ROWS))).steps).toEqual([])
    const undone = await undoCleanup(undoJob(directory))
    expect(undone).toMatchObject({ run: result.run, directories: 4, rows: 323, errors: [] })
    expect(await stateOf(directory)).toEqual(before)
  })

  test('a server says the same afterwards, of every tenant, with all vectors', async () => {
    expect([...expected.keys()].sort()).toEqual([
      'acme/main/docs',
      'default_tenant/default_database/docs',
      'default_tenant/default_database/small',
    ])
    const directory = await littered.copy()
    const { errors, freedBytes } = await applyCleanup(cleanupJob(directory))
    expect(errors).toEqual([])
    expect(freedBytes).toBeGreaterThan(50_000)
    expectSameContents(await contentsOf(directory), expected)
  })

  test('records that are added afterwards have no array metadata of deleted ones, and those before do', async () => {
    const arrays = async (clean: boolean): Promise<string> => {
      const directory = await littered.copy()
      if (clean) await applyCleanup(cleanupJob(directory, ROWS))
      const server = await startChroma({ directory })
      const place = `${server.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
      await addRecords(place, 'new', 40)
      await server.halt()
      const contents = await contentsOf(directory)
      return (contents.get('default_tenant/default_database/new') ?? []).join('\n')
    }
    // That Chroma does so is the reason for the rule.
    expect(await arrays(false)).toContain('tags-gone-')
    expect(await arrays(true)).not.toContain('tags-gone-')
  })

  test('Chroma does not look at what chroma-ops keeps in the directory', async () => {
    const directory = await littered.copy()
    const { run } = await applyCleanup(cleanupJob(directory, ROWS))
    const server = await startChroma({ directory })
    const place = `${server.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
    await addRecords(place, 'later', 25)
    await server.restart()
    await server.halt()
    const undone = await undoCleanup(undoJob(directory, { run: run ?? '' }))
    expect(undone).toMatchObject({ directories: 4, errors: expect.any(Array) })
  })

  test('what collides with newer rows stays in the quarantine and is told', async () => {
    const directory = await littered.copy()
    await applyCleanup(cleanupJob(directory, ROWS))
    await withDatabase(directory, (database) => {
      // A record of number 1, as a server makes it when the number is free.
      database.exec(`INSERT INTO embeddings (id, segment_id, embedding_id, seq_id)
        SELECT 1, s.id, 'x', 1 FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = 'METADATA' LIMIT 1`)
    })
    const { rows, errors } = await undoCleanup(undoJob(directory))
    expect(rows).toBe(320)
    expect(errors).toEqual([
      { step: 'embedding_metadata_array', code: 'IN_USE', message: expect.stringContaining('3 rows') },
    ])
    expect(await countOf(directory, 'SELECT count(*) FROM embedding_metadata_array WHERE id = 1')).toBe(0)
    // Once the number is free again, so is the way back.
    await withDatabase(directory, (database) => {
      database.exec('DELETE FROM embeddings WHERE id = 1')
    })
    expect(await undoCleanup(undoJob(directory))).toMatchObject({ rows: 3, errors: [] })
  })

  test('a directory that came back is not overwritten', async () => {
    const directory = await littered.copy()
    const { run } = await applyCleanup(cleanupJob(directory, { targets: ['orphans'] }))
    const back = await undoCleanup(undoJob(directory))
    expect(back.directories).toBe(4)
    await rm(path.join(directory, '.chroma-ops', 'quarantine', run ?? '', 'rows.sqlite3'))
    await expect(undoCleanup(undoJob(directory))).rejects.toMatchObject({
      code: 'QUARANTINE_RUN',
      exitCode: 10,
    })
  })

  test('when no collection is alive, everything would be left over: that is refused', async () => {
    const directory = await littered.copy()
    await withDatabase(directory, (database) => {
      database.exec('DELETE FROM collections')
    })
    const before = await stateOf(directory)
    await expect(applyCleanup(cleanupJob(directory))).rejects.toMatchObject({
      code: 'NOTHING_ALIVE',
      exitCode: 15,
      hint: expect.stringContaining('--allow-empty'),
    })
    expect(await stateOf(directory)).toEqual(before)
    const { errors } = await applyCleanup(cleanupJob(directory, { ...ROWS, allowEmpty: true }))
    expect(errors).toEqual([])
    expect(await undoCleanup(undoJob(directory))).toMatchObject({ errors: [] })
    expect(await stateOf(directory)).toEqual(before)
  })

  test('data of a Chroma before 1.0 is refused', async () => {
    const directory = await littered.copy()
    await withDatabase(directory, (database) => {
      database.exec("DELETE FROM migrations WHERE dir = 'metadb' AND version > 4")
    })
    await expect(applyCleanup(cleanupJob(directory))).rejects.toMatchObject({ exitCode: 16 })
  })

  test('without a quarantine a verified backup is asked for, with all live collections', async () => {
    const directory = await littered.copy()
    const asked: (readonly string[])[] = []
    const job = cleanupJob(directory, {
      quarantine: null,
      requireBackup: async (collections) => {
        asked.push(collections)
        throw new Error('there is none')
      },
    })
    const before = await stateOf(directory)
    await expect(applyCleanup(job)).rejects.toThrow('there is none')
    expect(asked.map((ids) => ids.length)).toEqual([3])
    expect(await stateOf(directory)).toEqual(before)
    const result = await applyCleanup({ ...job, targets: ['orphans'], requireBackup: async () => {} })
    expect(result).toMatchObject({ run: null, errors: [], quarantinedBytes: 0 })
    expect(result.freedBytes).toBeGreaterThan(100_000)
    expectSameContents(await contentsOf(directory), expected)
  })
})
