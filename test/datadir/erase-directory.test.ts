import { cp, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import type { CollectionDefinition, RecordBatch } from '../../src/core/records.js'
import { eraseFromDirectory, planDirectoryErasure } from '../../src/datadir/erase-directory.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { startChroma } from '../helpers/chroma-server.js'
import { withApi } from '../helpers/restores.js'

const SYNC = 100
let folder: string
let made: string

/** A directory with saved and unsaved vectors, in which a record was deleted earlier; no server runs on it. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-erase-'))
  made = path.join(folder, 'made')
  const chroma = await startChroma({ directory: made })
  await withApi(chroma.url, async (api) => {
    for (const [name, space] of [
      ['docs', 'l2'],
      ['cosine', 'cosine'],
    ]) {
      const hnsw = { space, sync_threshold: SYNC, batch_size: 10 }
      const collection = await newCollection(api, { name: name ?? '', hnsw })
      await api.add(collection, secrets(name ?? '', 0, 60))
      await api.add(collection, secrets(name ?? '', 60, 90))
      await api.deleteRecords(collection, [idOf(name ?? '', 70)])
    }
    await api.add(await newCollection(api, { name: 'unsaved' }), secrets('unsaved', 0, 20))
  })
  await chroma.stop()
  await chroma.halt()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const idOf = (name: string, number: number) => `person-${number}@${name}.example.com`
const textOf = (name: string, number: number) =>
  `Der geheime Text Nummer ${number} von ${name}: "Grüße"\nzweite Zeile ${'x'.repeat(number % 3)} Ende ${number} in ${name}`

function secrets(name: string, first: number, count: number): RecordBatch {
  const numbers = Array.from({ length: count }, (_, index) => first + index)
  return {
    ids: numbers.map((number) => idOf(name, number)),
    dimension: 4,
    embeddings: Float32Array.from(numbers.flatMap((number) => [number, 1, number % 7, 2])),
    missingEmbeddings: [],
    // Every tenth is longer than a page of the database.
    documents: numbers.map((number) =>
      number % 10 === 0
        ? Array.from({ length: 200 }, (_, line) => `${textOf(name, number)} ${line}`).join(' ')
        : textOf(name, number),
    ),
    uris: numbers.map((number) => `https://${name}.example.com/secret-place/${number}`),
    metadatas: numbers.map((number) => new Map([['phone', `+49 ${number} 1234567 ${name}`]])),
  }
}

async function copyOf(name: string): Promise<string> {
  const directory = path.join(folder, name)
  await cp(made, directory, { recursive: true })
  return directory
}

function job(directory: string, ids: Readonly<Record<string, readonly string[]>>) {
  const byName = new Map(Object.entries(ids).map(([name, list]) => [name, new Set(list)]))
  return {
    directory,
    idsIn: ({ name }: { readonly name: string }) => byName.get(name) ?? new Set<string>(),
    tempDir: folder,
    serverStopped: true,
  }
}

/** Files of the directory that contain one of the texts. */
async function filesWith(directory: string, ...texts: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(path.join(entry.parentPath, entry.name))
    const here = texts.filter((text) => bytes.includes(text))
    if (here.length > 0) found.push(`${entry.name}: ${here.join(', ')}`)
  }
  return found
}

/** Overwrites the first lengths of a saved index of a collection. */
async function plantInLengths(directory: string, collection: string, text: string): Promise<void> {
  const folder = await indexFolderOf(directory, collection)
  expect(await readdir(folder)).toContain('index_metadata.pickle')
  const handle = await open(path.join(folder, 'length.bin'), 'r+')
  await handle.write(text, 0)
  await handle.close()
}

async function indexFolderOf(directory: string, collection: string): Promise<string> {
  const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'read' })
  const row = database.get(
    "SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = 'VECTOR' AND c.name = ?",
    collection,
  )
  database.close()
  return path.join(directory, String(row?.['id']))
}

/** Overwrites a part of the vectors of every index that was never saved. */
async function plantInUnsavedIndex(directory: string, text: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const names = entry.isDirectory() ? await readdir(path.join(directory, entry.name)) : []
    if (!names.includes('data_level0.bin') || names.includes('index_metadata.pickle')) continue
    const handle = await open(path.join(directory, entry.name, 'data_level0.bin'), 'r+')
    await handle.write(text, 500)
    await handle.close()
  }
}

async function withServer<T>(directory: string, work: (api: ChromaApi) => Promise<T>): Promise<T> {
  const chroma = await startChroma({ directory })
  try {
    return await withApi(chroma.url, work)
  } finally {
    await chroma.kill()
    await chroma.halt()
  }
}

function collectionNamed(api: ChromaApi, name: string): Promise<CollectionDefinition> {
  return api.getCollection({ tenant: 'default_tenant', database: 'default_database', name })
}

describe('erasing from a data directory', () => {
  test('a plan counts rows, log and vectors, and changes nothing', async () => {
    const directory = await copyOf('plan')
    const before = await readFile(path.join(directory, 'chroma.sqlite3'))
    const ids = [idOf('docs', 5), idOf('docs', 70), idOf('docs', 149), 'nobody']
    const [plan] = await planDirectoryErasure(job(directory, { docs: ids }))
    expect(plan).toMatchObject({ name: 'docs', records: expect.arrayContaining([ids[0], ids[2]]) })
    expect(plan?.logRows).toBeGreaterThan(0)
    expect(plan?.vectors).toBeGreaterThan(0)
    expect((await readFile(path.join(directory, 'chroma.sqlite3'))).equals(before)).toBe(true)
  })

  test('nothing of the records is left in any file, and the server goes on with the others', async () => {
    const directory = await copyOf('apply')
    // Saved, only in the log, the newest of the log, and deleted long ago.
    const doomed = {
      docs: [5, 10, 70, 149].map((number) => idOf('docs', number)),
      cosine: [0, 70, 149].map((number) => idOf('cosine', number)),
      unsaved: [0, 19].map((number) => idOf('unsaved', number)),
    }
    const all = Object.values(doomed).flat()
    expect(await filesWith(directory, idOf('docs', 70))).not.toEqual([])
    // Chroma makes the files of a new index from used memory: texts can be in there.
    await plantInUnsavedIndex(directory, `${idOf('docs', 5)} ${textOf('docs', 5)}`)
    const { proof, collections } = await eraseFromDirectory(job(directory, doomed))
    expect(collections.map(({ records }) => records.length)).toEqual([2, 3, 2])
    expect(proof).toMatchObject({ clean: true, residues: [], tooShort: 0 })
    expect(proof.patterns).toBeGreaterThan(100)
    const texts = [
      'Nummer 149 von docs',
      'Nummer 70 von docs',
      'Nummer 0 von cosine',
      'Nummer 19 von unsaved',
    ]
    const places = ['secret-place/149', '+49 149 1234567 docs']
    expect(await filesWith(directory, ...all, ...texts, ...places)).toEqual([])
    await withServer(directory, async (api) => {
      for (const [name, left] of [
        ['docs', 146],
        ['cosine', 147],
        ['unsaved', 18],
      ] as const) {
        const collection = await collectionNamed(api, name)
        const everything = await api.get(collection, { include: ['embeddings', 'documents'] })
        expect([name, everything.ids.length, everything.missingEmbeddings]).toEqual([name, left, []])
        const hits = await api.query(collection, {
          vector: new Float32Array([6, 1, 6, 2]),
          limit: 5,
          withVectors: false,
        })
        expect(hits).toHaveLength(5)
        // Writes that follow are kept, also over the next save of the index, and so is an id that comes back.
        await api.add(collection, secrets(name, 1_000, 2 * SYNC))
        await api.add(collection, secrets(name, 149, 1))
        const ids = [idOf(name, 1_000), idOf(name, 1_199), idOf(name, 149)]
        expect((await api.get(collection, { ids, include: ['embeddings'] })).missingEmbeddings).toEqual([])
        expect((await api.get(collection, { include: ['embeddings'] })).ids).toHaveLength(left + 201)
      }
    })
  })

  test('no trigram of an erased text is left in the full-text index, those of the others are', async () => {
    const directory = path.join(folder, 'trigrams')
    await cp(made, directory, { recursive: true })
    const before = await termsOf(directory)
    // Texts of `docs` and of the others differ in nothing but their numbers and names.
    await eraseFromDirectory({
      directory,
      idsIn: ({ name }) => new Set(secrets('docs', 0, 150).ids.filter(() => name === 'docs')),
      serverStopped: true,
    })
    const after = await termsOf(directory)
    expect([before.has('doc'), after.has('doc')]).toEqual([true, false])
    expect([before.has('cos'), after.has('cos')]).toEqual([true, true])
    expect(await fullTextProblem(directory)).toBeNull()
  })

  test('the next write is kept, although the newest row of the log was about an erased record', async () => {
    const directory = await copyOf('newest')
    const ids = Array.from({ length: 20 }, (_, number) => idOf('unsaved', number))
    await eraseFromDirectory(job(directory, { unsaved: ids }))
    await withServer(directory, async (api) => {
      const collection = await collectionNamed(api, 'unsaved')
      await api.add(collection, secrets('unsaved', 500, 1))
      const { ids: there, missingEmbeddings } = await api.get(collection, { include: ['embeddings'] })
      expect([there, missingEmbeddings]).toEqual([[idOf('unsaved', 500)], []])
    })
  })

  test('a run that was killed after the rows were gone is finished by the next one', async () => {
    const directory = await copyOf('killed')
    const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'write' })
    database.exec('PRAGMA foreign_keys = OFF')
    database.run('DELETE FROM embeddings WHERE embedding_id = ?', idOf('docs', 5))
    database.close()
    const { proof, collections } = await eraseFromDirectory(job(directory, { docs: [idOf('docs', 5)] }))
    expect(collections[0]).toMatchObject({ records: [] })
    expect(collections[0]?.vectors).toBeGreaterThan(0)
    // Its document was not reached by its id; the row is an orphan, and the search says that it is there.
    expect(proof.residues.every(({ ids }) => ids === 0)).toBe(true)
  })

  test('lengths of an index that has none are used memory, and go; those of a cosine index stay', async () => {
    const directory = await copyOf('lengths')
    await plantInLengths(directory, 'docs', `${idOf('docs', 5)} ${textOf('docs', 5)}`)
    const cosine = path.join(await indexFolderOf(directory, 'cosine'), 'length.bin')
    const before = await readFile(cosine)
    const { proof } = await eraseFromDirectory(job(directory, { docs: [idOf('docs', 5)] }))
    expect(proof).toMatchObject({ clean: true, residues: [] })
    expect((await readFile(cosine)).subarray(0, 400)).toEqual(before.subarray(0, 400))
    await withServer(directory, async (api) => {
      const { embeddings } = await api.get(await collectionNamed(api, 'docs'), {
        ids: [idOf('docs', 6)],
        include: ['embeddings'],
      })
      expect([...embeddings]).toEqual([6, 1, 6, 2])
    })
  })

  test('what is left in other files is found and told', async () => {
    const directory = await copyOf('leftover')
    await writeFile(path.join(directory, 'notes.txt'), `call ${idOf('docs', 5)}, ${textOf('docs', 5)}`)
    const { proof } = await eraseFromDirectory(job(directory, { docs: [idOf('docs', 5)] }))
    expect(proof).toMatchObject({ clean: false, residues: [{ file: 'notes.txt', ids: 1 }] })
  })

  test('texts that other records share prove nothing, and are no residue', async () => {
    const directory = await copyOf('shared')
    const { proof } = await eraseFromDirectory(job(directory, { docs: [idOf('docs', 1)] }))
    // "person-1@docs…" is not in others; the beginning of its text is.
    expect(proof.clean).toBe(true)
    expect(proof.shared).toBeGreaterThan(0)
  })

  test('a directory that a server holds is left alone', async () => {
    const directory = await copyOf('held')
    await withServer(directory, async () => {
      await expect(eraseFromDirectory(job(directory, { docs: ['x'] }))).rejects.toMatchObject({
        code: 'DIRECTORY_HELD',
        exitCode: 11,
      })
    })
  })
})

/** Every trigram that the full-text index knows. */
async function termsOf(directory: string): Promise<ReadonlySet<string>> {
  const copy = await mkdtemp(path.join(folder, 'terms-'))
  await cp(path.join(directory, 'chroma.sqlite3'), path.join(copy, 'chroma.sqlite3'))
  const database = await openDatabase(path.join(copy, 'chroma.sqlite3'), { mode: 'write' })
  try {
    database.exec("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, embedding_fulltext_search, 'row')")
    return new Set(database.all('SELECT term FROM temp.terms').map(({ term }) => String(term)))
  } finally {
    database.close()
  }
}

/** Null when the index is what the documents say. */
async function fullTextProblem(directory: string): Promise<string | null> {
  const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'write' })
  try {
    database.exec(
      "INSERT INTO embedding_fulltext_search(embedding_fulltext_search, rank) VALUES ('integrity-check', 1)",
    )
    return null
  } catch (error) {
    return String(error)
  } finally {
    database.close()
  }
}
