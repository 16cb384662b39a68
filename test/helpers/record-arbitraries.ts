import fc from 'fast-check'

import { fromPlain } from '../../src/core/json.js'
import type { Metadata, MetadataScalar } from '../../src/core/metadata.js'
import type { RecordBatch } from '../../src/core/records.js'

/** Text as Chroma takes it: any characters, but no half surrogate pairs. */
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 40 }))

const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const double = fc.double({ noNaN: true, noDefaultInfinity: true })

const list: fc.Arbitrary<readonly MetadataScalar[]> = fc.oneof(
  fc.array(text, { maxLength: 3 }),
  fc.array(fc.boolean(), { maxLength: 3 }),
  fc.array(integer, { maxLength: 3 }),
  fc.array(double, { maxLength: 3 }),
)

const metadata: fc.Arbitrary<Metadata | null> = fc.option(
  fc
    .uniqueArray(
      fc.tuple(
        fc.oneof(text, fc.constant('__proto__'), fc.constant('7')),
        fc.oneof(text, fc.boolean(), integer, double, list),
      ),
      {
        minLength: 1,
        maxLength: 5,
        selector: ([key]) => key,
      },
    )
    .map((entries) => new Map(entries)),
)

/** Float32 by its bits: denormals, -0, infinities and NaN are all there. */
const float32 = fc.oneof(
  fc.float(),
  fc.constantFrom(0, -0, 1.401298464324817e-45, 3.4028234663852886e38, Infinity),
)

/** Zero to twelve records with ids of all kinds, a few without a vector. */
export function batchArbitrary(dimension: number): fc.Arbitrary<RecordBatch> {
  const record = fc.record({
    id: fc.oneof(text, fc.uuid(), fc.string({ minLength: 300, maxLength: 400 })),
    vector: fc.array(float32, { minLength: dimension, maxLength: dimension }),
    missing: fc.boolean().map((lost) => lost && dimension > 0),
    document: fc.option(text),
    uri: fc.option(text),
    metadata,
  })
  return fc.uniqueArray(record, { maxLength: 12, selector: ({ id }) => id }).map((records) => ({
    ids: records.map(({ id }) => id),
    dimension,
    embeddings: Float32Array.from(
      records.flatMap(({ vector, missing }) => (missing ? vector.map(() => 0) : vector)),
    ),
    missingEmbeddings: records.flatMap(({ missing }, row) => (missing ? [row] : [])),
    documents: records.map(({ document }) => document),
    uris: records.map(({ uri }) => uri),
    metadatas: records.map((row) => row.metadata),
  }))
}

export const definitionArbitrary = fc.record({
  tenant: fc.constantFrom('default_tenant', 'other tenant'),
  database: fc.constantFrom('default_database', 'größe'),
  name: fc.string({ minLength: 1, maxLength: 10 }),
  metadata,
  configuration: fc.jsonValue({ noUnicodeString: false }).map(fromPlain),
  schema: fc.constantFrom(null, fromPlain({ keys: { '#embedding': { batch_size: 100 } } })),
})
