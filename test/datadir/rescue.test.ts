import { hash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import type { RecordBatch } from '../../src/core/records.js'
import { prepareRescue } from '../../src/datadir/rescue.js'
import type { RescuedCollection, RescuedState } from '../../src/datadir/rescue-source.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { startChroma } from '../helpers/chroma-server.js'
import { FIXTURES, unpackFixture } from '../helpers/fixtures.js'
import { indexFolder } from '../helpers/lose-vectors.js'
import { withApi } from '../helpers/restores.js'

const RECORDS = 650
const SAVED = 600
let folder: string
let made: string
const ids = new Map<string, string>()

/** Two collections of 650 records, of which 600 are in the saved indexes and 50 in the log. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-rescue-test-'))
  made = path.join(folder, 'made')
  const chroma = await startChroma({ directory: made })
  await withApi(chroma.url, async (api) => {
    for (const [name, space] of [
      ['docs', 'l2'],
      ['cosine', 'cosine'],
    ] as const) {
      const collection = await newCollection(api, { name, hnsw: { space, sync_threshold: 200 } })
      ids.set(name, collection.id)
      for (let first = 0; first < RECORDS; first += 50) await api.add(collection, records(name, first, 50))
    }
  })
  await chroma.halt()
  await chroma.stop()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function records(name: string, first: number, count: number): RecordBatch {
  const numbers = Array.from({ length: count }, (_, index) => first + index)
  return {
    ids: numbers.map((number) => `${name}-${number}`),
    dimension: 4,
    embeddings: Float32Array.from(numbers.flatMap((number) => [number, 1, number % 7, 2])),
    missingEmbeddings: [],
    documents: numbers.map((number) => `document ${number} of ${name}, long enough to fill some pages`),
    uris: numbers.map(() => null),
    metadatas: numbers.map((number) => new Map([['number', BigInt(number)]])),
  }
}

async function copyOf(name: string): Promise<string> {
  const directory = path.join(folder, name)
  await cp(made, directory, { recursive: true })
  return directory
}

interface Rescued {
  readonly byName: Readonly<Record<string, RescuedCollection>>
  readonly notes: readonly string[]
  readonly states: ReadonlyMap<string, RescuedState>
  readonly batches: ReadonlyMap<string, readonly RecordBatch[]>
}

/** Rescues, and checks that the directory is as it was. */
async function rescued(directory: string, matchByOrder = false): Promise<Rescued> {
  const before = await fingerprintOf(directory)
  const states = new Map<string, RescuedState>()
  const onRecord = (_: unknown, id: string, state: RescuedState) => void states.set(id, state)
  const rescue = await prepareRescue({ directory, tempDir: folder, matchByOrder, onRecord })
  const batches = new Map<string, readonly RecordBatch[]>()
  try {
    for (const definition of await rescue.source.listCollections()) {
      const reader = await rescue.source.openCollection(definition)
      const read: RecordBatch[] = []
      for await (const batch of reader.batches()) read.push(batch)
      batches.set(definition.name, read)
    }
  } finally {
    await rescue.close()
  }
  expect(await fingerprintOf(directory)).toEqual(before)
  const byName = Object.fromEntries(rescue.source.rescued.map((each) => [each.name, each]))
  return { byName, notes: rescue.notes, states, batches }
}

async function fingerprintOf(directory: string): Promise<string[]> {
  const lines: string[] = []
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    lines.push(`${file} ${entry.isFile() ? hash('sha256', await readFile(file)) : 'folder'}`)
  }
  return lines.sort()
}

const indexOf = (directory: string, name: string) => indexFolder(directory, ids.get(name) ?? '')

const TABLE_LEAF = 0x0d
const INDEX_LEAF = 0x0a

/** Destroys the leaf pages of a kind that hold one of the texts. */
async function destroyPages(
  directory: string,
  texts: readonly string[],
  kinds: readonly number[] = [TABLE_LEAF],
): Promise<number> {
  const file = path.join(directory, 'chroma.sqlite3')
  const bytes = await readFile(file)
  let destroyed = 0
  for (let at = 4096; at < bytes.length; at += 4096) {
    const page = bytes.subarray(at, at + 4096)
    if (!kinds.includes(page[0] ?? 0) || !texts.some((text) => page.includes(text))) continue
    page.fill(0xff, 0, 200)
    destroyed++
  }
  await writeFile(file, bytes)
  return destroyed
}

/** Destroys the first page of an index, without which none of it can be read. */
async function destroyIndex(directory: string, name: string): Promise<void> {
  const file = path.join(directory, 'chroma.sqlite3')
  const database = await openDatabase(file, { mode: 'read' })
  const root = database.get('SELECT rootpage FROM sqlite_master WHERE name = ?', name)?.['rootpage']
  database.close()
  const bytes = await readFile(file)
  bytes.fill(0xff, (Number(root) - 1) * 4096, (Number(root) - 1) * 4096 + 200)
  await writeFile(file, bytes)
}

/** Writes other bytes of the same length where a page of a kind holds the text behind a key of metadata. */
async function changeBytes(directory: string, from: string, to: string, kind: number): Promise<void> {
  const file = path.join(directory, 'chroma.sqlite3')
  const bytes = await readFile(file)
  const key = 'chroma:document'
  for (let at = 4096; at < bytes.length; at += 4096) {
    const place = bytes.subarray(at, at + 4096).indexOf(key + from)
    if (bytes[at] === kind && place >= 0) bytes.write(to, at + place + key.length)
  }
  await writeFile(file, bytes)
}

/** Of `docs`, in their order. */
function textsOf(batches: Rescued['batches']) {
  const docs = batches.get('docs') ?? []
  return [
    docs.flatMap((batch) => batch.documents),
    docs.flatMap((batch) => batch.metadatas),
    docs.flatMap((batch) => batch.ids),
  ] as const
}

async function metadataSegmentOf(directory: string, name: string): Promise<string> {
  const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'read' })
  const sql = "SELECT id FROM segments WHERE scope = 'METADATA' AND collection = ?"
  const row = database.get(sql, ids.get(name) ?? '')
  database.close()
  return String(row?.['id'])
}

async function execute(directory: string, sql: string): Promise<void> {
  const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'write' })
  database.exec(`PRAGMA foreign_keys = OFF; ${sql}`)
  database.close()
}

describe('rescue', () => {
  test('of a sound directory has everything whole', async () => {
    const { byName, notes, states } = await rescued(await copyOf('sound'))
    expect(notes).toEqual([])
    expect(byName).toMatchObject({
      docs: { records: RECORDS, whole: RECORDS, notes: [] },
      cosine: { records: RECORDS, whole: RECORDS, notes: [] },
    })
    expect(states.size).toBe(2 * RECORDS)
  })

  test.each(FIXTURES)('of a sound directory of %s has everything whole', async (release) => {
    const { directory, remove } = await unpackFixture(release)
    const rescue = await prepareRescue({ directory, tempDir: folder, matchByOrder: false, onRecord() {} })
    try {
      for (const definition of await rescue.source.listCollections()) {
        const reader = await rescue.source.openCollection(definition)
        for await (const batch of reader.batches()) expect(batch.missingEmbeddings).toEqual([])
      }
      expect(rescue.notes).toEqual([])
      for (const { whole, records, notes } of rescue.source.rescued)
        expect([whole, notes]).toEqual([records, []])
    } finally {
      await rescue.close()
      await remove()
    }
  })

  test('a folder that is gone: what was saved has text only, what is in the log is whole', async () => {
    const directory = await copyOf('no-folder')
    await rm(await indexOf(directory, 'docs'), { recursive: true })
    const { byName, states } = await rescued(directory)
    expect(byName['docs']).toMatchObject({ records: RECORDS, whole: RECORDS - SAVED, withoutVector: SAVED })
    expect(byName['cosine']).toMatchObject({ whole: RECORDS })
    expect([states.get('docs-5'), states.get('docs-649')]).toEqual(['text', 'whole'])
  })

  test('a pickle that is gone: the vectors are there, their ids are not, and it says so', async () => {
    const directory = await copyOf('no-pickle')
    await rm(path.join(await indexOf(directory, 'docs'), 'index_metadata.pickle'))
    const { byName } = await rescued(directory)
    expect(byName['docs']).toMatchObject({
      withoutVector: SAVED,
      vectorsWithoutId: SAVED,
      notes: ['index_metadata.pickle is missing'],
    })
  })

  test('a pickle that is gone: matched by order when asked for, each record gets its own vector', async () => {
    const directory = await copyOf('by-order')
    for (const name of ['docs', 'cosine'])
      await rm(path.join(await indexOf(directory, name), 'index_metadata.pickle'))
    const { byName, batches } = await rescued(directory, true)
    expect(byName).toMatchObject({
      docs: { whole: RECORDS, vectorsWithoutId: 0 },
      cosine: { whole: RECORDS, vectorsWithoutId: 0 },
    })
    expect(byName['docs']?.notes.join()).toMatch(/600 vectors were matched by their order; [1-9]/)
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('records that are missing are not made up for: then nothing is matched', async () => {
    const directory = await copyOf('not-by-order')
    await rm(path.join(await indexOf(directory, 'docs'), 'index_metadata.pickle'))
    await execute(directory, "DELETE FROM embeddings WHERE embedding_id = 'docs-100'")
    const { byName } = await rescued(directory, true)
    expect(byName['docs']).toMatchObject({ withoutVector: SAVED - 1, vectorsWithoutId: SAVED })
    expect(byName['docs']?.notes.join()).toContain('cannot be matched')
  })

  test('a pickle that is cut off: as many ids as could be read', async () => {
    const directory = await copyOf('short-pickle')
    const pickle = path.join(await indexOf(directory, 'docs'), 'index_metadata.pickle')
    await truncate(pickle, 5_000)
    const { byName, batches } = await rescued(directory)
    const { whole = 0, withoutVector = 0, notes } = byName['docs'] ?? {}
    expect(whole).toBeGreaterThan(100)
    expect([whole + withoutVector, notes?.length]).toEqual([RECORDS, 1])
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('vectors that end early: those before are whole', async () => {
    const directory = await copyOf('short-data')
    const data = path.join(await indexOf(directory, 'docs'), 'data_level0.bin')
    const { length } = await readFile(data)
    await truncate(data, Math.floor(length / 2) + 7)
    const { byName, batches } = await rescued(directory)
    expect(byName['docs']).toMatchObject({ whole: RECORDS - SAVED / 2, withoutVector: SAVED / 2 })
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('a header that is gone is made anew, lengths that are gone leave directions', async () => {
    const directory = await copyOf('no-header')
    await rm(path.join(await indexOf(directory, 'docs'), 'header.bin'))
    await truncate(path.join(await indexOf(directory, 'cosine'), 'length.bin'), 40)
    const { byName, batches } = await rescued(directory)
    expect(byName['docs']).toMatchObject({ whole: RECORDS })
    expect(byName['docs']?.notes[0]).toContain('header.bin is missing')
    expectOwnVectors(batches.get('docs') ?? [])
    expect(byName['cosine']).toMatchObject({ whole: RECORDS })
    expect(byName['cosine']?.notes[0]).toContain('length.bin ends after 10 of 600')
  })

  test('pages of records: the rows are found again in the index of the table, with their texts', async () => {
    const directory = await copyOf('bad-records')
    const segment = await metadataSegmentOf(directory, 'docs')
    expect(await destroyPages(directory, [`${segment}docs-300`])).toBe(1)
    const { byName, notes, states, batches } = await rescued(directory)
    expect(notes.join('\n')).toMatch(/[1-9]\d+ records and 0 of their values were found again/)
    expect(states.get('docs-300')).toBe('whole')
    expect(byName['docs']).toMatchObject({ records: RECORDS, whole: RECORDS })
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('pages of records and of their index: ids come from the vector index, without texts', async () => {
    const directory = await copyOf('worse-records')
    const segment = await metadataSegmentOf(directory, 'docs')
    await destroyPages(directory, [`${segment}docs-300`], [TABLE_LEAF, INDEX_LEAF])
    const { byName, notes, states, batches } = await rescued(directory)
    expect(notes.join('\n')).toContain('records have lost their ids')
    expect(states.get('docs-300')).toBe('vector')
    const { records = 0, whole = 0, withoutText = 0 } = byName['docs'] ?? {}
    expect([records, whole + withoutText]).toEqual([RECORDS, RECORDS])
    expect(withoutText).toBeGreaterThan(0)
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('pages of metadata: its values are found again in its indexes', async () => {
    const directory = await copyOf('bad-metadata')
    expect(await destroyPages(directory, ['chroma:documentdocument 300 of docs'])).toBeGreaterThan(0)
    const { byName, notes, batches } = await rescued(directory)
    expect(notes.join('\n')).toContain('embedding_metadata:')
    expect(byName['docs']).toMatchObject({ records: RECORDS, whole: RECORDS })
    const [documents, metadata] = textsOf(batches)
    expect(documents[300]).toBe('document 300 of docs, long enough to fill some pages')
    expect(metadata[300]).toEqual(new Map([['number', 300n]]))
  })

  test('pages of metadata and of its indexes: what lacks something is not called whole', async () => {
    const directory = await copyOf('worse-metadata')
    const text = 'chroma:documentdocument 300 of docs'
    await destroyPages(directory, [text], [TABLE_LEAF, INDEX_LEAF])
    await destroyIndex(directory, 'embedding_metadata_int_value')
    const { byName, states, batches } = await rescued(directory)
    const [documents, metadata, ids] = textsOf(batches)
    expect(documents[300]).toBe('document 300 of docs, long enough to fill some pages')
    const lacking = ids.filter((_, row) => metadata[row] === null)
    expect(lacking.length).toBeGreaterThan(0)
    expect(lacking.map((id) => states.get(id))).toEqual(lacking.map(() => 'part'))
    expect(byName['docs']).toMatchObject({ inPart: lacking.length, whole: RECORDS - lacking.length })
  })

  test('a row that became another without breaking its page is doubted, not believed', async () => {
    const directory = await copyOf('other-bytes')
    await changeBytes(directory, 'document 300 of docs', 'document 3x0 of docs', TABLE_LEAF)
    const { byName, states } = await rescued(directory)
    expect(states.get('docs-300')).toBe('part')
    expect(byName['docs']).toMatchObject({ inPart: 1, whole: RECORDS - 1 })
  })

  test('a database that ends early: what comes before', async () => {
    const directory = await copyOf('short-database')
    const file = path.join(directory, 'chroma.sqlite3')
    await truncate(file, (await readFile(file)).length - 3 * 4096)
    const { byName, notes } = await rescued(directory)
    expect(notes.join('\n')).toContain('ends early')
    expect(byName['docs']?.records).toBe(RECORDS)
    expect(byName['cosine']?.records).toBe(RECORDS)
  })

  test('a row of the log that is gone: the vector may be older than the record', async () => {
    const directory = await copyOf('no-log-row')
    await execute(directory, "UPDATE embeddings SET seq_id = 1000000 WHERE embedding_id = 'docs-20'")
    const { byName, states } = await rescued(directory)
    expect(states.get('docs-20')).toBe('part')
    expect(byName['docs']).toMatchObject({ inPart: 1, whole: RECORDS - 1 })
  })

  test('a row of the log that is no JSON does not stop the others', async () => {
    const directory = await copyOf('bad-log-row')
    await execute(directory, "UPDATE embeddings_queue SET metadata = '{\"a' WHERE id = 'docs-640'")
    const { byName, notes } = await rescued(directory)
    expect(notes.join()).toContain('metadata in 1 rows of the write-ahead log')
    expect(byName['docs']).toMatchObject({ records: RECORDS })
  })

  test('a list of ids that contradicts itself: no record gets the vector of another', async () => {
    const directory = await copyOf('two-labels')
    const pickle = path.join(await indexOf(directory, 'docs'), 'index_metadata.pickle')
    const bytes = await readFile(pickle)
    // The label stands behind the id: an opcode, and one or two bytes.
    const at = bytes.indexOf('docs-300') + 'docs-300'.length
    const other = bytes.indexOf('docs-400') + 'docs-400'.length
    bytes.copy(bytes, at, other, other + 3)
    await writeFile(pickle, bytes)
    const { byName, states, batches } = await rescued(directory)
    expect([states.get('docs-300'), states.get('docs-400')]).toEqual(['text', 'text'])
    expect(byName['docs']).toMatchObject({ withoutVector: 2 })
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('vectors that cannot be: two with one label, one that is not normalised', async () => {
    const directory = await copyOf('wrong-vectors')
    for (const name of ['docs', 'cosine']) {
      const file = path.join(await indexOf(directory, name), 'data_level0.bin')
      const bytes = await readFile(file)
      const size = 4 + 4 * 32 + 4 * 4 + 8
      if (name === 'docs') bytes.copy(bytes, 10 * size - 8, 20 * size - 8, 20 * size)
      else bytes.writeFloatLE(5, 30 * size + 4 + 4 * 32)
      await writeFile(file, bytes)
    }
    const { byName, batches } = await rescued(directory)
    expect(byName['docs']?.notes.join()).toContain('1 ids have two vectors')
    expect(byName['cosine']?.notes.join()).toContain('1 vectors are not normalised')
    expect(byName['cosine']).toMatchObject({ withoutVector: 1 })
    expectOwnVectors(batches.get('docs') ?? [])
  })

  test('a database that is gone: ids and vectors, under names made up', async () => {
    const directory = await copyOf('no-database')
    await writeFile(path.join(directory, 'chroma.sqlite3'), Buffer.alloc(100_000))
    const { byName, notes, states } = await rescued(directory)
    expect(Object.keys(byName)).toEqual([
      expect.stringMatching(/^rescued-/),
      expect.stringMatching(/^rescued-/),
    ])
    for (const each of Object.values(byName))
      expect(each).toMatchObject({ records: SAVED, withoutText: SAVED })
    expect(states.get('docs-5')).toBe('vector')
    expect(notes.join('\n')).toContain('cannot be read at all')
  })

  test('rows of segments that are gone are found again by the ids', async () => {
    const directory = await copyOf('no-segments')
    await execute(directory, `DELETE FROM segments WHERE collection = '${ids.get('docs') ?? ''}'`)
    const { byName, notes } = await rescued(directory)
    expect(notes.join('\n')).toMatch(/docs has no vector segment|docs has no metadata segment/)
    expect(byName['docs']?.records).toBeGreaterThan(0)
    expect(byName['cosine']).toMatchObject({ whole: RECORDS })
  })

  test('a directory of a newer release is read all the same', async () => {
    const directory = await copyOf('ahead')
    await execute(directory, "INSERT INTO migrations VALUES ('sysdb', 99, '99-future.sql', '', '')")
    const { byName } = await rescued(directory)
    expect(byName['docs']).toMatchObject({ whole: RECORDS })
  })

  test('nothing at all is not a data directory', async () => {
    const directory = await mkdtemp(path.join(folder, 'nothing-'))
    await expect(rescued(directory)).rejects.toMatchObject({ code: 'NOT_A_DATA_DIRECTORY', exitCode: 10 })
    expect((await readdir(folder)).filter((name) => name.startsWith('chroma-ops-rescue-'))).toEqual([])
  })
})

/** A record that has a vector has its own. */
function expectOwnVectors(batches: readonly RecordBatch[]): void {
  for (const { ids: found, dimension, embeddings, missingEmbeddings } of batches) {
    const missing = new Set(missingEmbeddings)
    for (const [row, id] of found.entries()) {
      if (missing.has(row)) continue
      const number = Number(id.split('-')[1])
      const vector = [...embeddings.subarray(row * dimension, (row + 1) * dimension)]
      expect([id, vector]).toEqual([id, [number, 1, number % 7, 2]])
    }
  }
}
