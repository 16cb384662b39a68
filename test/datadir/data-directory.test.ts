import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { openDataDirectory } from '../../src/datadir/data-directory.js'
import { DirectorySource } from '../../src/datadir/directory-source.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { unpackFixture, type FixtureDirectory } from '../helpers/fixtures.js'
import { contentsOf } from '../helpers/read-source.js'

let fixture: FixtureDirectory
let folder = ''
beforeEach(async () => {
  fixture = await unpackFixture('1.5.9')
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-directory-'))
})
afterEach(async () => {
  await fixture.remove()
  await rm(folder, { recursive: true })
})

/** As a server leaves a directory that is killed while it commits: half of the pages are new, and there is a journal. */
async function killedInTransaction(): Promise<void> {
  const file = path.join(fixture.directory, 'chroma.sqlite3')
  const database = await openDatabase(file, { mode: 'write' })
  database.exec("PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE embedding_metadata SET string_value = 'torn'")
  const torn = path.join(folder, 'torn')
  await mkdir(torn)
  for (const name of ['chroma.sqlite3', 'chroma.sqlite3-journal'])
    await cp(path.join(fixture.directory, name), path.join(torn, name))
  database.exec('ROLLBACK')
  database.close()
  for (const name of ['chroma.sqlite3', 'chroma.sqlite3-journal'])
    await cp(path.join(torn, name), path.join(fixture.directory, name))
}

describe('a directory whose server was killed in the middle of a transaction', () => {
  test('is not read without a place for a copy', async () => {
    await killedInTransaction()
    await expect(openDataDirectory(fixture.directory)).rejects.toMatchObject({ code: 'DATABASE_JOURNAL' })
  })

  test('is read as it was before; the original stays as it is, and the copy goes', async () => {
    const whole = await openDataDirectory(fixture.directory)
    const expected = await contentsOf(new DirectorySource(whole))
    whole.close()
    await killedInTransaction()
    const names = await readdir(fixture.directory)
    const bytes = await readFile(path.join(fixture.directory, 'chroma.sqlite3'))
    const tempDir = path.join(folder, 'temporary')
    await mkdir(tempDir)
    const opened = await openDataDirectory(fixture.directory, { tempDir })
    expect(opened.recovered).toBe(true)
    expect(await contentsOf(new DirectorySource(opened))).toEqual(expected)
    opened.close()
    expect(await readdir(tempDir)).toEqual([])
    expect(await readdir(fixture.directory)).toEqual(names)
    expect((await readFile(path.join(fixture.directory, 'chroma.sqlite3'))).equals(bytes)).toBe(true)
  })
})

describe('what is no data directory', () => {
  const refusal = (why: RegExp, hint: RegExp) =>
    expect.objectContaining({
      code: 'NOT_A_DATA_DIRECTORY',
      exitCode: 10,
      message: expect.stringMatching(why),
      hint: expect.stringMatching(hint),
    })

  test('a directory without a database; one below is named', async () => {
    await expect(openDataDirectory(folder)).rejects.toEqual(refusal(/no chroma.sqlite3/, /\/data since 1\.0/))
    await expect(openDataDirectory(path.dirname(fixture.directory))).rejects.toEqual(
      refusal(/no chroma.sqlite3/, /it is in .*data$/),
    )
    await expect(openDataDirectory(path.join(folder, 'nowhere'))).rejects.toEqual(
      refusal(/no such directory/, /./),
    )
    await writeFile(path.join(folder, 'chroma-embeddings.parquet'), '')
    await expect(openDataDirectory(folder)).rejects.toEqual(refusal(/no chroma.sqlite3/, /0\.3/))
  })

  test("a database that is not Chroma's", async () => {
    await writeFile(path.join(folder, 'chroma.sqlite3'), '')
    await expect(openDataDirectory(folder)).rejects.toEqual(refusal(/not Chroma's/, /./))
  })
})

test('an index that cannot be read is told; its records come without vectors', async () => {
  const opened = await openDataDirectory(fixture.directory)
  const many = opened.collections().find(({ name }) => name === 'many')
  const segment = opened.segments.find(
    ({ scope, collectionId }) => scope === 'VECTOR' && collectionId === many?.id,
  )
  await writeFile(path.join(fixture.directory, segment?.id ?? '', 'index_metadata.pickle'), 'no pickle')
  const problems: string[] = []
  const source = new DirectorySource(opened, {
    onDamage: ({ name }, { code }) => problems.push(`${name}: ${code}`),
  })
  const contents = await contentsOf(source)
  opened.close()
  expect(problems).toEqual(['many: PICKLE_DAMAGED'])
  const { records } = contents.get('default_tenant/default_database/many') ?? {}
  expect(records?.ids.length).toBe(150)
  expect(records?.missingEmbeddings.length).toBeGreaterThan(100)
})
