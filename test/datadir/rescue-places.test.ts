import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { prepareRescue } from '../../src/datadir/rescue.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { makeDirectory } from '../helpers/data-directories.js'

const RECORDS = 20
let folder: string
let made: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-rescue-places-'))
  made = path.join(folder, 'made')
  await makeDirectory(made, { records: RECORDS, saved: true })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function rescued(directory: string) {
  const texts: (string | null)[] = []
  const rescue = await prepareRescue({ directory, tempDir: folder, matchByOrder: false, onRecord() {} })
  try {
    for (const definition of await rescue.source.listCollections()) {
      const reader = await rescue.source.openCollection(definition)
      for await (const batch of reader.batches()) texts.push(...batch.documents)
    }
    return { texts, notes: rescue.notes, collections: rescue.source.rescued }
  } finally {
    await rescue.close()
  }
}

describe('where the files of a directory to be rescued are', () => {
  test.each(['folders', 'everything'])('behind symbolic links: %s', async (what) => {
    const directory = path.join(folder, `linked-${what}`)
    await mkdir(directory)
    for (const name of await readdir(made)) {
      const source = path.join(made, name)
      if (what === 'everything' || !name.startsWith('chroma.sqlite3'))
        await symlink(source, path.join(directory, name))
      else await cp(source, path.join(directory, name))
    }
    await symlink(path.join(folder, 'nowhere'), path.join(directory, '0b6c1ab6-9fd9-4d6b-8a8e-6d2f7e9a0f11'))
    expect(await rescued(directory)).toMatchObject({
      notes: [],
      collections: [{ name: 'docs', records: RECORDS, whole: RECORDS }],
    })
  })

  test('in the log of a database in WAL mode', async () => {
    const directory = path.join(folder, 'wal')
    const live = path.join(folder, 'live')
    await cp(made, live, { recursive: true })
    const database = await openDatabase(path.join(live, 'chroma.sqlite3'), { mode: 'write' })
    try {
      database.all('PRAGMA journal_mode = WAL')
      database.all('PRAGMA wal_autocheckpoint = 0')
      database.exec("UPDATE embedding_metadata SET string_value = 'newest' WHERE key = 'chroma:document'")
      await cp(live, directory, { recursive: true })
    } finally {
      database.close()
    }
    const { texts, notes } = await rescued(directory)
    expect(notes).toEqual([])
    expect(texts).toEqual(Array.from({ length: RECORDS }, () => 'newest'))
  })
})
