import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parquetMetadata } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'

import { readCollectionsFile } from '../../../src/backup/files/collections-file.js'
import { exportRecords } from '../../../src/backup/files/export-records.js'
import { fileNames } from '../../../src/backup/files/file-names.js'
import { findRecordFiles, importRecords } from '../../../src/backup/files/import-records.js'
import { listBackups } from '../../../src/backup/list-backups.js'
import { silentProgress } from '../../../src/core/progress.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../../helpers/backups.js'
import { FaultyStore } from '../../helpers/faulty-store.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-file-errors-'))
})

afterAll(() => rm(folder, { recursive: true }))

const strict = { allowMissingVectors: false, allowNonFinite: false }
const collection = { tenant: 't', database: 'd', name: 'docs', space: 'l2' as const }

async function importOf(file: string, rules = strict) {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  const rest = jobOf(repository, sourceOf())
  const files = await findRecordFiles({ place: file, format: null, collection })
  const before = await store.keys()
  const importing = importRecords({ ...rest, place: file, files, rules })
  return { importing, repository, store, before }
}

/** Expects the import to be refused, and nothing to be left of it. */
async function expectRefused(file: string, line: number | null, message: string): Promise<void> {
  const { importing, repository, store, before } = await importOf(file)
  const where = line === null ? file : `${file}:${line}`
  await expect(importing).rejects.toMatchObject({ code: 'RECORD_FILE', exitCode: 13, file, line })
  await expect(importing).rejects.toThrow(`${where}: `)
  await expect(importing).rejects.toThrow(message)
  expect(await listBackups(repository)).toEqual([])
  expect(await store.keys()).toEqual(before)
}

const good = '{"id":"a","embedding":[1,2]}\n'

describe('a file of JSON lines is refused', () => {
  test.each([
    ['a record without an embedding', '{"id":"b","document":"x"}', 'no embedding'],
    ['an embedding that is null', '{"id":"b","embedding":null}', 'no embedding'],
    ['a vector of another length', '{"id":"b","embedding":[1,2,3]}', 'has 3 numbers, and others have 2'],
    ['an empty vector', '{"id":"b","embedding":[]}', 'has no numbers'],
    ['NaN', '{"id":"b","embedding":[1,NaN]}', 'not JSON'],
    ['NaN in quotes', '{"id":"b","embedding":[1,"NaN"]}', 'embedding[1] is NaN'],
    ['a number too large for a float32', '{"id":"b","embedding":[1,1e39]}', 'too large'],
    ['text in a vector', '{"id":"b","embedding":[1,"2"]}', 'embedding[1] is text, not a number'],
    ['an id that is there twice', '{"id":"a","embedding":[3,4]}', 'the id "a" is there twice, first in 1'],
    ['a number for an id', '{"id":7,"embedding":[1,2]}', 'id is a number, not text'],
    ['no id', '{"embedding":[1,2]}', 'id is missing'],
    ['a document that is no text', '{"id":"b","embedding":[1,2],"document":{}}', 'document is an object'],
    ['metadata that is no object', '{"id":"b","embedding":[1,2],"metadata":[1]}', 'metadata is a list'],
    ['nested metadata', '{"id":"b","embedding":[1,2],"metadata":{"k":{"x":1}}}', 'metadata "k"'],
    ['an unknown field', '{"id":"b","embedding":[1,2],"text":"x"}', 'no field "text"'],
    ['half a line', '{"id":"b","embe', 'not JSON'],
    ['what is no object', '[1,2]', 'a list, not an object'],
  ])('%s', async (name, line, message) => {
    const file = path.join(folder, `${name.replaceAll(/\W/g, '-')}.jsonl`)
    await writeFile(file, `${good}${line}\n`)
    await expectRefused(file, 2, message)
  })

  test('bytes that are not UTF-8', async () => {
    const file = path.join(folder, 'latin1.jsonl')
    await writeFile(file, Buffer.concat([Buffer.from(good), Buffer.from('{"id":"\xe9"}\n', 'latin1')]))
    await expectRefused(file, 2, 'not UTF-8')
  })

  test('with the right line in a large file', async () => {
    const file = path.join(folder, 'large.jsonl')
    const lines = Array.from({ length: 9000 }, (_, row) => `{"id":"${row}","embedding":[${row},2]}`)
    lines[8500] = '{"id":"x","embedding":[1]}'
    await writeFile(file, lines.join('\n'))
    await expectRefused(file, 8501, 'has 1 numbers')
  })
})

describe('a Parquet file is refused', () => {
  const ids = { name: 'id', data: ['a', 'b'] }
  const schemaless = (...columnData: Parameters<typeof parquetWriteBuffer>[0]['columnData']) =>
    Buffer.from(parquetWriteBuffer({ columnData }))

  test.each([
    ['without ids', () => schemaless({ name: 'document', data: ['x', 'y'] }), null, 'no column id'],
    [
      'with unknown columns',
      () => schemaless(ids, { name: 'text', data: ['x', 'y'] }),
      null,
      'no column text',
    ],
    ['without vectors', () => schemaless(ids), 1, 'no embedding'],
    [
      'with numbers for vectors',
      () => schemaless(ids, { name: 'embedding', data: [1, 2] }),
      1,
      'embedding is a number',
    ],
    [
      'with metadata that is not JSON',
      () => schemaless(ids, { name: 'metadata', data: ['{', '{}'] }),
      1,
      'metadata is not JSON',
    ],
    ['that is none', () => Buffer.from('PAR1 not really PAR1'), null, 'cannot be read'],
    ['that is empty', () => Buffer.alloc(0), null, 'cannot be read'],
  ])('%s', async (name, bytes, line, message) => {
    const file = path.join(folder, `${name.replaceAll(' ', '-')}.parquet`)
    await writeFile(file, bytes())
    await expectRefused(file, line, message)
  })

  async function exported() {
    const source = sourceOf(collectionOf('docs', [numberedBatch(50, 3)]))
    const place = path.join(folder, 'whole')
    const progress = silentProgress
    await exportRecords({ source, backup: 'b', format: 'parquet', folder: place, replace: true, progress })
    return readFile(path.join(place, 'docs.parquet'))
  }

  /** Parquet has no checksums here: a changed value is a value. But nothing must end as a bug. */
  async function expectNoBug(whole: Buffer, at: number, change: number): Promise<void> {
    const file = path.join(folder, 'damaged.parquet')
    const bytes = Buffer.from(whole)
    bytes.writeUInt8((bytes[at] ?? 0) ^ change, at)
    await writeFile(file, bytes)
    const { importing } = await importOf(file)
    await importing.catch((error: unknown) => expect(error).toMatchObject({ exitCode: expect.any(Number) }))
  }

  test('wherever it is damaged, or what is in it is what was written', async () => {
    const whole = await exported()
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) =>
        expectNoBug(whole, at, change),
      ),
      { numRuns: 100 },
    )
  })

  test('and soon, also when a length in it is not true', async () => {
    const whole = await exported()
    const { row_groups: groups } = parquetMetadata(new Uint8Array(whole).buffer)
    const starts = groups.flatMap(({ columns }) => Number(columns[2]?.meta_data?.data_page_offset ?? 0))
    expect(starts).toHaveLength(1)
    for (const start of starts)
      for (let at = start; at < start + 40; at++)
        for (const change of [0x98, 0x80, 0xff]) await expectNoBug(whole, at, change)
  })
})

test('doubtful records are let in when asked to', async () => {
  const file = path.join(folder, 'doubtful.jsonl')
  await writeFile(file, `{"id":"z"}\n${good}{"id":"b","embedding":["NaN",2]}\n`)
  const { importing } = await importOf(file, { allowMissingVectors: true, allowNonFinite: true })
  expect(await importing).toMatchObject({
    exitCode: 4,
    head: { status: 'partial', counts: { records: 3, missingVectors: 1 } },
  })
})

test('an exported folder that has lost records at the end of a file is refused', async () => {
  const source = sourceOf(collectionOf('docs', [numberedBatch(50, 3)]))
  const place = path.join(folder, 'lost')
  await exportRecords({
    source,
    backup: 'b',
    format: 'jsonl',
    folder: place,
    replace: false,
    progress: silentProgress,
  })
  const file = path.join(place, 'docs.jsonl')
  const lines = (await readFile(file, 'utf8')).split('\n')
  await writeFile(file, lines.slice(0, 30).join('\n'))
  const repository = await newRepository()
  const rest = jobOf(repository, source)
  const files = await findRecordFiles({ place, format: null, collection: null })
  const importing = importRecords({ ...rest, place, files, rules: strict })
  await expect(importing).rejects.toThrow('has 30 records instead of 50')
  expect(await listBackups(repository)).toEqual([])
})

test.each([
  ['../outside.jsonl', 'file'],
  ['/etc/passwd', 'file'],
  ['..', 'file'],
])('a list of collections that names %s is refused', async (file, member) => {
  const place = await mkdtemp(path.join(folder, 'list-'))
  const entry = { file, format: 'jsonl', tenant: 't', database: 'd', name: 'n', id: 'i' }
  await writeFile(path.join(place, 'collections.json'), JSON.stringify({ format: 1, collections: [entry] }))
  await expect(readCollectionsFile(place)).rejects.toThrow(`collections[0].${member}`)
})

describe('file names', () => {
  const nameOf = (name: string, tenant = 'default_tenant') => ({ tenant, database: 'default_database', name })

  test.each([
    ['docs', 'docs.jsonl'],
    ['größe', 'gr%c3%b6%c3%9fe.jsonl'],
    ['../../etc/passwd', '%2e./../etc'],
    ['con', '_con.jsonl'],
    ['collections', '_collections.jsonl'],
  ])('%s', (name, expected) => {
    const file = [...fileNames([nameOf(name)], 'jsonl').values()][0] ?? ''
    if (name.includes('/')) expect(file).toBe('%2e.%2f..%2fetc%2fpasswd.jsonl')
    else expect(file).toBe(expected)
  })

  test('are all different, also where capitals do not count, and short', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.constantFrom('a', 'A', 'x'.repeat(300), `${'x'.repeat(300)}y`),
          ),
        ),
        (names) => {
          const files = [
            ...fileNames([...names.map((name) => nameOf(name)), nameOf('a', 'other')], 'parquet').values(),
          ]
          expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(names.length + 1)
          for (const file of files) {
            expect(file).toMatch(/^[A-Za-z0-9_%-][A-Za-z0-9._%-]*$/)
            expect(file.length).toBeLessThan(200)
          }
        },
      ),
    )
  })
})
