import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { RestoreJournal } from '../../src/transfer/restore-journal.js'

const target = { tenant: 't', database: 'd', name: 'docs' }
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-journal-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test('another run knows what was recorded, for the same origin only', async () => {
  const journal = await RestoreJournal.open(path.join(directory, 'new', 'folder'), 'backup-1')
  await journal.record(target, 'id-1')
  await journal.record(target, 'id-1')
  const again = await RestoreJournal.open(path.join(directory, 'new', 'folder'), 'backup-1')
  expect([again.has('id-1'), again.has('id-2')]).toEqual([true, false])
  expect((await RestoreJournal.open(path.join(directory, 'new', 'folder'), 'backup-2')).has('id-1')).toBe(
    false,
  )
})

test('a line that was cut off, or is something else, is no entry; what follows counts', async () => {
  const journal = await RestoreJournal.open(directory, 'backup')
  await journal.record(target, 'id-1')
  const [file = ''] = await readdir(directory)
  await appendFile(path.join(directory, file), '\n{"x":1}\n42\n["id-2","t/d')
  await (await RestoreJournal.open(directory, 'backup')).record(target, 'id-3')
  const again = await RestoreJournal.open(directory, 'backup')
  expect(['id-1', 'id-2', 'id-3'].map((id) => again.has(id))).toEqual([true, false, true])
  expect(await readFile(path.join(directory, file), 'utf8')).toContain('["id-3","t/d/docs"]')
})

test('a finished restore leaves no file', async () => {
  const journal = await RestoreJournal.open(directory, 'backup')
  await journal.record(target, 'id-1')
  await journal.clear()
  expect(journal.has('id-1')).toBe(false)
  expect(await readdir(directory)).toEqual([])
})

test('without a directory nothing is written', async () => {
  const journal = await RestoreJournal.open(null, 'backup')
  await journal.record(target, 'id-1')
  expect(journal.has('id-1')).toBe(true)
  await journal.clear()
})
