import { expect } from '@jest/globals'
import fc from 'fast-check'

import type { Metadata, MetadataScalar } from '../../src/core/metadata.js'
import type { RecordBatch, Space } from '../../src/core/records.js'
import { closeDoubles, firstDistantFloat } from '../../src/transfer/ulp.js'

const traps = fc.constantFrom(
  '',
  ' ',
  '\n\t\r\b\f',
  '"quoted" and \\ back\\u0041slash/',
  'ä ö ü ß – 漢字 – עברית',
  '👩‍👩‍👧‍👦 🏴‍☠️',
  '\u{10ffff}\u{1d11e}',
  '\u2028\u2029\u007f\u0001',
  'e\u0301 is not é',
)

/** Text as a server takes it: any characters, but no half surrogate pairs. */
export const anyText = fc.oneof(traps, fc.string({ unit: 'binary', maxLength: 30 }), fc.lorem())

export const anyInteger = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, -1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)),
)

/** Doubles that a server keeps: finite, and not -0, which becomes 0. */
export const anyDouble = fc
  .oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(0, 1, -2, 1e300, 5e-324, 0.1, 2 ** 53 + 2),
  )
  .map((value) => (value === 0 ? 0 : value))

/** Float32 that a server takes: all finite ones. */
export const anyFloat32 = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -1, max: 1 }),
  fc.constantFrom(0, -0, 1, Math.fround(0.1), 1.401298464324817e-45, -1.1754942106924411e-38),
  fc.constantFrom(3.4028234663852886e38, -3.4028234663852886e38, 16777216, 16777217),
)

/** Lists keep their order and their one type. Chroma drops empty ones. */
const anyList: fc.Arbitrary<readonly MetadataScalar[]> = fc.oneof(
  fc.array(anyText, { minLength: 1, maxLength: 4 }),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
  fc.array(anyInteger, { minLength: 1, maxLength: 4 }),
  fc.array(anyDouble, { minLength: 1, maxLength: 4 }),
)

/** Keys as a server takes them: not empty, no `#`, `$` or `chroma:` in front. */
const anyKey = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', '7', 'toString', 'kéy', 'a b', 'page'),
  anyText.filter((key) => key !== '' && !/^[#$]|^chroma:/.test(key)),
)

export const anyMetadata: fc.Arbitrary<Metadata | null> = fc.option(
  fc
    .uniqueArray(fc.tuple(anyKey, fc.oneof(anyText, fc.boolean(), anyInteger, anyDouble, anyList)), {
      minLength: 1,
      maxLength: 6,
      selector: ([key]) => key,
    })
    .map((entries) => new Map(entries)),
)

const anyId = fc.oneof(
  fc.uuid(),
  anyText.filter((id) => id !== ''),
  fc.string({ minLength: 1000, maxLength: 1200 }),
)

/** At most `maxLength` records with different ids, each with a vector of finite numbers. */
export function anyBatch(dimension: number, maxLength = 10): fc.Arbitrary<RecordBatch> {
  const record = fc.record({
    id: anyId,
    vector: fc.array(anyFloat32, { minLength: dimension, maxLength: dimension }),
    document: fc.option(anyText),
    uri: fc.option(anyText),
    metadata: anyMetadata,
  })
  return fc.uniqueArray(record, { minLength: 1, maxLength, selector: ({ id }) => id }).map((records) => ({
    ids: records.map(({ id }) => id),
    dimension,
    embeddings: Float32Array.from(records.flatMap(({ vector }) => vector)),
    missingEmbeddings: [],
    documents: records.map(({ document }) => document),
    uris: records.map(({ uri }) => uri),
    metadatas: records.map(({ metadata }) => metadata),
  }))
}

/**
 * The same records in every run: `id00000000`, … with documents and uris, and metadata of each type. Without
 * texts a server takes them several times as fast.
 */
export function sampleBatch(shape: {
  readonly rows: number
  readonly dimension: number
  readonly first?: number
  readonly texts?: boolean
}): RecordBatch {
  const { rows, dimension, first = 0, texts = true } = shape
  const numbers = Array.from({ length: rows }, (_, row) => first + row)
  const embeddings = new Float32Array(rows * dimension)
  for (let at = 0; at < embeddings.length; at++) embeddings[at] = noise(first * dimension + at)
  return {
    ids: numbers.map((number) => `id${String(number).padStart(8, '0')}`),
    dimension,
    embeddings,
    missingEmbeddings: [],
    documents: numbers.map((number) =>
      !texts || number % 10 === 9 ? null : `document ${number}: größer 👍\n`,
    ),
    uris: numbers.map((number) => (texts && number % 5 === 0 ? `file:///${number}` : null)),
    metadatas: numbers.map((number) =>
      number % 4 === 3 || (!texts && number % 500 !== 0)
        ? null
        : new Map<string, MetadataScalar>([
            ['page', BigInt(number)],
            ['score', number / 8],
            ['even', number % 2 === 0],
            ['lang', 'de'],
          ]),
    ),
  }
}

/** Numbers between -1 and 1 that look random and are always the same. */
function noise(seed: number): number {
  let bits = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) / 2 ** 31
}

/**
 * Expects the same records in the same order: everything exactly (-0 is not 0), except doubles in metadata,
 * which Chroma itself shifts, and vectors of cosine collections, both within 4 units of the last place.
 */
export function expectSameRecords(actual: RecordBatch, expected: RecordBatch, space: Space = 'l2'): void {
  expect(actual.ids).toEqual(expected.ids)
  expect(actual.documents).toEqual(expected.documents)
  expect(actual.uris).toEqual(expected.uris)
  expect(actual.missingEmbeddings).toEqual(expected.missingEmbeddings)
  expect(actual.dimension).toBe(expected.dimension)
  if (space === 'cosine') {
    actual.ids.forEach((_, row) => {
      const [from, to] = [row * actual.dimension, (row + 1) * actual.dimension]
      const vectors = [expected.embeddings.subarray(from, to), actual.embeddings.subarray(from, to)] as const
      expect(firstDistantFloat(...vectors)).toBe(-1)
    })
  } else {
    expect(bitsOf(actual.embeddings)).toEqual(bitsOf(expected.embeddings))
  }
  actual.metadatas.forEach((metadata, row) => expectSameMetadata(metadata, expected.metadatas[row] ?? null))
}

export function expectSameMetadata(actual: Metadata | null, expected: Metadata | null): void {
  expect([...(actual?.keys() ?? [])].sort()).toEqual([...(expected?.keys() ?? [])].sort())
  for (const [key, value] of expected ?? []) expectSameValue(actual?.get(key), value)
}

function expectSameValue(actual: unknown, expected: unknown): void {
  if (typeof expected === 'number' && typeof actual === 'number') {
    if (!closeDoubles(actual, expected)) expect(actual).toBe(expected)
  } else if (Array.isArray(expected) && Array.isArray(actual)) {
    expect(actual.length).toBe(expected.length)
    expected.forEach((item, index) => expectSameValue(actual[index], item))
  } else {
    expect(actual).toEqual(expected)
  }
}

export function bitsOf(floats: Float32Array): readonly number[] {
  return [...new Uint32Array(floats.slice().buffer)]
}
