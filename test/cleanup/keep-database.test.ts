import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { applyCleanup } from '../../src/cleanup/apply.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { stateOf, withDatabase } from '../helpers/directory-state.js'
import { makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { cleanupJob, undoJob } from './jobs.js'

let littered: LitteredDirectory
beforeAll(async () => {
  littered = await makeLitteredDirectory()
})
afterAll(async () => littered.dispose())

const databaseOf = (directory: string) => readFile(path.join(directory, 'chroma.sqlite3'))

test('undoing every target gives the same bytes of every file, also after a vacuum', async () => {
  const directory = await littered.copy()
  const [before, state] = [await databaseOf(directory), await stateOf(directory)]
  const { mode } = await stat(path.join(directory, 'chroma.sqlite3'))
  // Reading the state opens the database: it must not have changed it.
  expect((await databaseOf(directory)).equals(before)).toBe(true)
  const { run, errors, quarantinedBytes } = await applyCleanup(cleanupJob(directory, { keepDatabase: true }))
  expect(errors).toEqual([])
  expect(quarantinedBytes).toBeGreaterThan(before.length)
  expect((await databaseOf(directory)).equals(before)).toBe(false)
  const undone = await undoCleanup(undoJob(directory))
  expect(undone).toMatchObject({ run, database: true, directories: 4, rows: 0, errors: [] })
  expect((await databaseOf(directory)).equals(before)).toBe(true)
  expect((await stat(path.join(directory, 'chroma.sqlite3'))).mode).toBe(mode)
  expect(await stateOf(directory)).toEqual(state)
  expect(await undoCleanup(undoJob(directory, { run: run ?? '' }))).toMatchObject({ database: true, rows: 0 })
})

test('a vacuum alone is undone', async () => {
  const directory = await littered.copy()
  const before = await databaseOf(directory)
  const { run } = await applyCleanup(cleanupJob(directory, { targets: ['vacuum'], keepDatabase: true }))
  expect(run).not.toBeNull()
  expect(await undoCleanup(undoJob(directory))).toMatchObject({ database: true, errors: [] })
  expect((await databaseOf(directory)).equals(before)).toBe(true)
})

test('what was written since is not lost: the rows come back instead', async () => {
  const directory = await littered.copy()
  await applyCleanup(cleanupJob(directory, { targets: ['orphans'], keepDatabase: true }))
  await withDatabase(directory, (database) => database.run("INSERT INTO tenants (id) VALUES ('since')"))
  const undone = await undoCleanup(undoJob(directory))
  expect(undone).toMatchObject({ database: false, rows: 323, directories: 4, errors: [] })
  await withDatabase(directory, (database) =>
    expect(database.all("SELECT id FROM tenants WHERE id = 'since'")).toHaveLength(1),
  )
})
