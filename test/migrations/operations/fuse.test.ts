import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import type { Metadata } from '../../../src/core/metadata.js'
import type { RecordBatch } from '../../../src/core/records.js'
import { DiskEmbeddingCache } from '../../../src/migrations/operations/embedding-cache-disk.js'
import { fuse } from '../../../src/migrations/operations/fuse.js'
import type { RecordOperator, Transform } from '../../../src/migrations/record-operator.js'
import { double, type ChangedRecord, type MigrationRecord } from '../../../src/migrations/record.js'

const signal = new AbortController().signal

let directory: string
let cache: DiskEmbeddingCache
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-fuse-'))
  cache = new DiskEmbeddingCache({ directory })
})
afterAll(async () => {
  await cache.close()
  await rm(directory, { recursive: true, force: true })
})

const metadata: Metadata = new Map<string, string | boolean | bigint | number>([
  ['text', 'ä 👩‍👩‍👧'],
  ['flag', false],
  ['int', 5n],
  ['whole double', 1],
  ['double', 0.1],
  ['beyond 2^53', 9007199254740993n],
  ['10', 'a key like a number'],
  ['__proto__', 'a key like a prototype'],
])
const withLists: Metadata = new Map<string, Metadata extends ReadonlyMap<string, infer V> ? V : never>([
  ...metadata,
  ['texts', ['a', 'b']],
  ['ints', [1n, 2n]],
  ['doubles', [1, 2]],
  ['sparse', { indices: [1, 5], values: [0.5, 1], tokens: ['a', 'b'] }],
])

const batch: RecordBatch = {
  ids: ['a', 'b', 'c'],
  dimension: 2,
  embeddings: Float32Array.of(1, 2, 0, 0, 0.6, 0.8),
  missingEmbeddings: [1],
  documents: ['', null, 'text'],
  uris: [null, 'file:///b', null],
  metadatas: [withLists, null, metadata],
}

function mapped(operators: readonly RecordOperator[], records = batch): Promise<RecordBatch> {
  return fuse(operators, { cache, timeoutMs: 300 }).map(records, signal)
}

function transform(change: unknown): RecordOperator {
  if (!isFunction(change)) throw new TypeError('no function')
  return { kind: 'transform', change, inPlace: false }
}

/** What comes from JavaScript gives back whatever it likes. */
function isFunction(value: unknown): value is Transform & ((record: MigrationRecord) => boolean) {
  return typeof value === 'function'
}

describe('what a function leaves alone', () => {
  test('is what it was, to the type of each value', async () => {
    const identity = transform((record: MigrationRecord) => ({
      ...record,
      metadata: record.metadata && { ...record.metadata },
    }))
    expect(await mapped([identity])).toEqual(batch)
    expect(await mapped([transform(({ id }: MigrationRecord) => ({ id }))])).toEqual(batch)
    expect(await mapped([])).toEqual(batch)
  })

  test('keeps its type beside what changes', async () => {
    const result = await mapped([
      transform((record: MigrationRecord) => ({
        ...record,
        metadata: { ...record.metadata, int: 6, 'whole double': 2, added: 7, exact: double(7), half: 0.5 },
      })),
    ])
    expect(result.metadatas[0]).toEqual(
      new Map([...withLists, ['int', 6n], ['whole double', 2], ['added', 7n], ['exact', 7], ['half', 0.5]]),
    )
    expect([...(result.metadatas[2]?.keys() ?? [])].slice(0, metadata.size)).toEqual([...metadata.keys()])
  })

  test('cannot be changed behind our back', async () => {
    const before = structuredClone(batch.embeddings)
    await mapped([
      transform((record: MigrationRecord) => {
        record.embedding?.fill(7)
        return { id: record.id }
      }),
    ])
    expect(batch.embeddings).toEqual(before)
  })
})

test('lists take the type of what they hold', async () => {
  const lists = { ints: [3, 4], doubles: [3, 4], mixed: [1, 2.5], flags: [true], exact: [double(1)] }
  const result = await mapped([transform(({ id }: MigrationRecord) => ({ id, metadata: lists }))])
  expect(result.metadatas[0]).toEqual(
    new Map<string, unknown>([
      ['ints', [3n, 4n]],
      ['doubles', [3, 4]],
      ['mixed', [1, 2.5]],
      ['flags', [true]],
      ['exact', [1]],
    ]),
  )
})

test('null takes a field away, null instead of a record drops it, and order stays', async () => {
  const result = await mapped([
    transform((record: MigrationRecord) =>
      record.id === 'b' ? null : { id: record.id, document: null, metadata: {} },
    ),
  ])
  expect(result).toMatchObject({ ids: ['a', 'c'], documents: [null, null], metadatas: [null, null] })
  expect(result.missingEmbeddings).toEqual([])
})

test('operators see what those before them made; functions may wait', async () => {
  const result = await mapped([
    transform(async (record: MigrationRecord) => Promise.resolve({ ...record, document: `${record.id}!` })),
    { kind: 'filter', keep: ({ document }) => document !== 'b!' },
    transform((record: MigrationRecord) => ({ ...record, uri: `${record.document}?` })),
  ])
  expect(result).toMatchObject({ ids: ['a', 'c'], uris: ['a!?', 'c!?'] })
})

describe('what a function must not give back', () => {
  const vector = { length: 2 ** 40 }
  test.each<[string, (record: MigrationRecord) => unknown, RegExp]>([
    ['undefined', () => undefined, /transform of record "a": it gave back undefined/],
    ['a number', () => 5, /record "a": it gave back 5/],
    ['a list', () => [], /record "a": it gave back a list/],
    ['another id', (record) => ({ ...record, id: 'z' }), /record "a": it gave back the id "z"/],
    ['no id', () => ({}), /it gave back the id undefined/],
    ['the id of another', (record) => ({ ...record, id: 'c' }), /record "a".*"c"/],
    ['a short vector', (record) => ({ ...record, embedding: [1] }), /record "a".*1 numbers instead of 2/],
    ['NaN', (record) => ({ ...record, embedding: [1, NaN] }), /number 2 of the embedding is NaN/],
    ['too large for float32', (record) => ({ ...record, embedding: [1, 1e39] }), /number 2 .* is 1e\+39/],
    ['texts for numbers', (record) => ({ ...record, embedding: ['1', '2'] }), /number 1 .* is the text "1"/],
    ['no vector', (record) => ({ ...record, embedding: [] }), /embedding has 0 numbers/],
    ['an endless vector', (record) => ({ ...record, embedding: vector }), /embedding has 1099511627776/],
    ['the vector taken away', ({ id }) => ({ id, embedding: null }), /record "a": its embedding was taken/],
    [
      'a nested object',
      ({ id }) => ({ id, metadata: { k: { a: 1 } } }),
      /record "a": metadata key "k" is an object/,
    ],
    ['an empty list', ({ id }) => ({ id, metadata: { k: [] } }), /"k" is an empty list/],
    ['mixed types', ({ id }) => ({ id, metadata: { k: ['a', 1] } }), /"k" is a list of mixed types/],
    ['a list in a list', ({ id }) => ({ id, metadata: { k: [[1]] } }), /"k", item 0, is a list/],
    ['NaN in metadata', ({ id }) => ({ id, metadata: { k: NaN } }), /"k" is NaN/],
    ['null in metadata', ({ id }) => ({ id, metadata: { k: null } }), /"k" is null: leave the key out/],
    ['beyond 64 bits', ({ id }) => ({ id, metadata: { k: 2n ** 63n } }), /"k" is beyond 64 bits/],
    ['a date', ({ id }) => ({ id, metadata: { k: new Date(0) } }), /"k" is an object \(Date\)/],
    ['a Map', ({ id }) => ({ id, metadata: new Map() }), /metadata is an object \(Map\)/],
    ['an empty key', ({ id }) => ({ id, metadata: { '': 1 } }), /a metadata key is empty/],
    ['a key of Chroma', ({ id }) => ({ id, metadata: { 'chroma:document': 'x' } }), /for itself/],
    ['half a pair', ({ id }) => ({ id, document: '\ud800' }), /document holds half a surrogate pair/],
    ['a document that is none', ({ id }) => ({ id, document: 5 }), /document is 5, not a text/],
    ['a thrown error', () => Promise.reject(new Error('no')), /transform of record "a" failed: no/],
    [
      'a getter that throws',
      ({ id }) => ({
        id,
        get document() {
          throw new Error('trap')
        },
      }),
      /record "a" failed: trap/,
    ],
    ['a promise without end', () => new Promise(() => {}), /record "a" failed: no answer within 0.3 s/],
  ])('%s', async (_, change, message) => {
    await expect(mapped([transform(change)])).rejects.toThrow(message)
  })

  test('a filter answers true or false, and not a promise of it', async () => {
    const keep: unknown = async () => Promise.resolve(true)
    if (!isFunction(keep)) throw new TypeError('no function')
    await expect(mapped([{ kind: 'filter', keep }])).rejects.toThrow(
      /filter of record "a": it gave back a promise/,
    )
  })
})

test('a signal ends what waits', async () => {
  const stop = new AbortController()
  const map = fuse([transform(() => new Promise(() => {}))], { cache })
  const result = map.map(batch, stop.signal)
  stop.abort()
  await expect(result).rejects.toMatchObject({ code: 'ABORTED' })
})

describe('cut vectors', () => {
  const whole: RecordBatch = { ...batch, missingEmbeddings: [] }

  test('those of length one have it afterwards', async () => {
    const result = await mapped([{ kind: 'changeDimension', dimension: 1 }], whole)
    expect(result.dimension).toBe(1)
    expect([...result.embeddings]).toEqual([1, 0, 1])
  })

  test('cannot become longer', async () => {
    await expect(mapped([{ kind: 'changeDimension', dimension: 3 }])).rejects.toThrow(/reembed|made 3 long/)
    expect(() => fuse([{ kind: 'changeDimension', dimension: 1.5 }], { cache })).toThrow(/1.5/)
  })
})

describe('the hash', () => {
  const keep = ({ id }: ChangedRecord) => id > 'a'
  const hashOf = (...operators: RecordOperator[]) => fuse(operators, { cache }).hash
  const filter = { kind: 'filter', keep } as const
  const provider = { generate: async () => Promise.resolve([]), name: 'model' }

  test('differs with operators, order and the source of functions', () => {
    const space = { kind: 'changeSpace', space: 'cosine' } as const
    const hashes = [
      hashOf(filter),
      hashOf(space),
      hashOf({ ...space, space: 'ip' }),
      hashOf(filter, space),
      hashOf(space, filter),
      hashOf({ kind: 'filter', keep: ({ id }) => id > 'b' }),
      hashOf({ kind: 'reembed', options: { with: provider } }),
      hashOf({ kind: 'reembed', options: { with: { ...provider, name: 'other' } } }),
      hashOf({ kind: 'reembed', options: { with: provider, input: ({ uri }) => uri } }),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
    expect(hashOf(filter, space)).toBe(hashes[3])
  })

  test('is the same whatever the pace and the key', () => {
    const of = (config: object, options = {}) =>
      hashOf({ kind: 'reembed', options: { with: { ...provider, getConfig: () => config }, ...options } })
    expect(of({ model: 'm', api_key: 'secret' }, { batch: 5, rpm: 7 })).toBe(of({ model: 'm' }))
    expect(of({ model: 'm' })).not.toBe(of({ model: 'n' }))
  })

  test('a configuration on the server names variables, never keys', () => {
    const getConfig = () => ({ model: 'm', api_key: 'sk-123', api_key_env_var: 'KEY' })
    const map = fuse([{ kind: 'reembed', options: { with: { ...provider, getConfig } } }], { cache })
    expect(map.embeddingFunction).toEqual(
      new Map<string, unknown>([
        ['type', 'known'],
        ['name', 'model'],
        [
          'config',
          new Map([
            ['model', 'm'],
            ['api_key_env_var', 'KEY'],
          ]),
        ],
      ]),
    )
  })
})

test('vectors are new once a function has changed one', async () => {
  const same = fuse([transform((record: MigrationRecord) => ({ ...record, document: 'x' }))], { cache })
  await same.map(batch, signal)
  expect(same.newVectors).toBe(false)
  const other = fuse(
    [transform(({ id, embedding }: MigrationRecord) => ({ id, embedding: embedding?.map((x) => -x) }))],
    {
      cache,
    },
  )
  await other.map(batch, signal)
  expect(other.newVectors).toBe(true)
})

test('a preview counts, and asks no provider', async () => {
  const provider = {
    generate: () => {
      throw new Error('asked')
    },
  }
  const map = fuse(
    [
      transform((record: MigrationRecord) => (record.id === 'b' ? null : { ...record, document: 'same' })),
      { kind: 'reembed', options: { with: provider } },
      { kind: 'changeDimension', dimension: 100 },
    ],
    { cache },
  )
  expect(await map.preview(batch, signal)).toEqual({
    records: 3,
    changed: 2,
    dropped: 1,
    texts: ['same', 'same'],
    cached: 0,
  })
})
