import { describe, expect, test } from '@jest/globals'

import type { MetadataValue } from '../../src/core/metadata.js'
import type { RecordBatch, Space } from '../../src/core/records.js'
import { compareCollection } from '../../src/transfer/compare.js'
import {
  batchOf,
  definitionOf,
  memoryLookup,
  memoryReader,
  type PlainRecord,
} from '../helpers/memory-source.js'

const a: PlainRecord = {
  id: 'a',
  embedding: [1, 2],
  document: 'one',
  uri: 'file:a',
  metadata: new Map([['n', 1n]]),
}
const b: PlainRecord = { id: 'b', embedding: [3, 4], document: '', metadata: null }
const c: PlainRecord = { id: 'c', embedding: [5, 6] }

describe('what is the same', () => {
  test('equal records are equal, whatever the pieces', async () => {
    const comparison = await compare([[a], [b, c]], [a, b, c])
    expect(comparison).toEqual({
      equal: true,
      records: 3,
      differing: 0,
      missing: 0,
      extra: 0,
      orderDiffers: false,
      tolerated: { metadataFloats: 0, vectors: 0 },
      samples: [],
    })
  })

  test('two empty collections are equal', async () => {
    expect(await compare([], [])).toMatchObject({ equal: true, records: 0, orderDiffers: false })
  })
})

describe('what differs is counted, and named with both values', () => {
  const cases: [string, Partial<PlainRecord>, { field: string; expected: string; actual: string }][] = [
    ['a document', { document: 'two' }, { field: 'document', expected: '"one"', actual: '"two"' }],
    ['an empty document', { document: '' }, { field: 'document', expected: '"one"', actual: '""' }],
    ['a lost document', { document: null }, { field: 'document', expected: '"one"', actual: 'null' }],
    ['a uri', { uri: null }, { field: 'uri', expected: '"file:a"', actual: 'null' }],
    [
      'a number type',
      { metadata: new Map([['n', 1]]) },
      { field: 'metadata.n', expected: '1', actual: '1.0' },
    ],
    ['a lost key', { metadata: null }, { field: 'metadata.n', expected: '1', actual: 'absent' }],
    [
      'a new key',
      {
        metadata: new Map<string, MetadataValue>([
          ['n', 1n],
          ['x', true],
        ]),
      },
      { field: 'metadata.x', expected: 'absent', actual: 'true' },
    ],
    [
      'a list',
      { metadata: new Map<string, MetadataValue>([['n', [1n]]]) },
      { field: 'metadata.n', expected: '1', actual: '[1]' },
    ],
    ['a lost vector', { embedding: null }, { field: 'vector', expected: '2 floats', actual: 'missing' }],
    [
      'one bit of a vector',
      { embedding: [1, 2.0000002384185791015625] },
      { field: 'vector', expected: '[1] 2.0 (0x40000000)', actual: '[1] 2.000000238418579 (0x40000001)' },
    ],
    [
      'the sign of a zero',
      { embedding: [1, -0] },
      { field: 'vector', expected: '[1] 2.0 (0x40000000)', actual: '[1] -0.0 (0x80000000)' },
    ],
  ]
  test.each(cases)('%s', async (_, change, difference) => {
    const comparison = await compare([[a, b]], [{ ...a, ...change }, b])
    expect(comparison).toMatchObject({
      equal: false,
      differing: 1,
      missing: 0,
      extra: 0,
      orderDiffers: false,
    })
    expect(comparison.samples).toEqual([{ id: 'a', ...difference }])
  })

  test('a vector of another length', async () => {
    const comparison = await compare([[c]], [{ ...c, embedding: [5, 6, 7] }])
    expect(comparison.samples).toEqual([
      { id: 'c', field: 'vector', expected: '2 floats', actual: '3 floats' },
    ])
  })

  test('missing and extra records', async () => {
    const comparison = await compare([[a, b]], [b, c])
    expect(comparison).toMatchObject({ equal: false, records: 2, differing: 0, missing: 1, extra: 1 })
    expect(comparison.orderDiffers).toBe(false)
    expect(comparison.samples).toEqual([
      { id: 'a', field: 'record', expected: 'present', actual: 'absent' },
      { id: 'c', field: 'record', expected: 'absent', actual: 'present' },
    ])
  })

  test.each([
    ['within one piece', [[a, b, c]]],
    ['across pieces', [[a], [b], [c]]],
  ])('another order %s', async (_, expected) => {
    expect(await compare(expected, [b, a, c])).toMatchObject({ equal: true, orderDiffers: true })
  })

  test('an extra record between others is no other order', async () => {
    expect(await compare([[a], [b]], [a, c, b])).toMatchObject({ extra: 1, orderDiffers: false })
    expect(await compare([[a], [b]], [b, c, a])).toMatchObject({ extra: 1, orderDiffers: true })
  })

  test('a record that is gone by the time of the list is missing', async () => {
    const lookup = { ...memoryLookup(batchOf([a, b])), listIds: () => memoryLookup(batchOf([a])).listIds() }
    const reader = memoryReader({ definition: definitionOf('x'), batches: [batchOf([a, b])] })
    const comparison = await compareCollection({ expected: reader, actual: lookup, space: 'l2' })
    expect(comparison).toMatchObject({ equal: false, missing: 1 })
  })

  test('many differences are all counted, the samples stay few and of every kind', async () => {
    const expected = numbered(0, 5000)
    const actual = [
      ...numbered(0, 2000).map((record) => ({ ...record, document: 'x' })),
      ...numbered(9000, 12000),
    ]
    const comparison = await compare([expected], actual)
    expect(comparison).toMatchObject({ differing: 2000, missing: 3000, extra: 3000 })
    expect(comparison.samples).toHaveLength(20)
    expect(new Set(comparison.samples.map(({ actual: text }) => text))).toEqual(
      new Set(['"x"', 'absent', 'present']),
    )
  })
})

describe('what Chroma itself shifts is tolerated and counted', () => {
  test('doubles in metadata by 4 units, not by 5', async () => {
    const of = (n: number): PlainRecord => ({ ...c, metadata: new Map([['n', n]]) })
    expect(await compare([[of(0.1)]], [of(shifted(0.1, 4))])).toMatchObject({
      equal: true,
      tolerated: { metadataFloats: 1, vectors: 0 },
    })
    expect(await compare([[of(0.1)]], [of(shifted(0.1, 5))])).toMatchObject({ equal: false, differing: 1 })
    expect(await compare([[of(-0)]], [of(0)])).toMatchObject({
      equal: true,
      tolerated: { metadataFloats: 1 },
    })
    expect(await compare([[of(1)]], [of(-1)])).toMatchObject({ equal: false })
  })

  test.each<[Space, boolean]>([
    ['cosine', true],
    ['l2', false],
    ['ip', false],
  ])('vectors of %s collections by 4 units: %s', async (space, equal) => {
    const comparison = await compare(
      [[c]],
      [{ ...c, embedding: [shiftedFloat(5, 4), shiftedFloat(6, -4)] }],
      space,
    )
    expect(comparison).toMatchObject({ equal, tolerated: { vectors: equal ? 1 : 0 } })
  })

  test.each<[string, number[], number[], boolean]>([
    ['5 units', [5, 6], [shiftedFloat(5, 5), 6], false],
    ['another sign', [5, 6], [5, -6], false],
    ['the sign of a zero', [5, 0], [5, -0], true],
    ['not a number', [5, 6], [5, Number.NaN], false],
    ['an infinity', [5, 3.4028234663852886e38], [5, Number.POSITIVE_INFINITY], false],
    ['a zero vector', [0, 0], [0, 0], true],
    ['a zero vector that is not', [0, 0], [0, 1e-30], false],
    ['bits that are lost in the direction', [1e5, 1e-38], [1e5, 1.00001e-38], true],
  ])('cosine: %s', async (_, expected, actual, equal) => {
    const comparison = await compare(
      [[{ ...c, embedding: expected }]],
      [{ ...c, embedding: actual }],
      'cosine',
    )
    expect(comparison.equal).toBe(equal)
  })
})

test('progress goes from nothing to all', async () => {
  const events: string[] = []
  const progress = {
    update: ({ done, total, state }: { done: number; total?: number; state?: string }) =>
      events.push(`${done}/${total ?? '?'} ${state ?? ''}`.trim()),
    warn: () => {},
  }
  const expected = memoryReader({ definition: definitionOf('x'), batches: [batchOf([a, b]), batchOf([c])] })
  await compareCollection({ expected, actual: memoryLookup(batchOf([a, b, c])), space: 'l2', progress })
  expect(events).toEqual(['2/3', '3/3', '3/3 done'])
})

async function compare(expected: PlainRecord[][], actual: PlainRecord[], space: Space = 'l2') {
  const batches: RecordBatch[] = expected.map((records) => batchOf(records))
  const reader = memoryReader({ definition: definitionOf('compared'), batches })
  return compareCollection({ expected: reader, actual: memoryLookup(batchOf(actual), 2), space })
}

function numbered(from: number, to: number): PlainRecord[] {
  return Array.from({ length: to - from }, (_, at) => ({ id: `id-${from + at}`, embedding: [at, 1] }))
}

function shifted(value: number, units: number): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(units))
  return view.getFloat64(0)
}

function shiftedFloat(value: number, units: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  view.setInt32(0, view.getInt32(0) + units)
  return view.getFloat32(0)
}
