import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { spaceOf } from '../../src/chroma/space.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import { AbortedError } from '../../src/core/errors.js'
import { fromPlain } from '../../src/core/json.js'
import type { Metadata } from '../../src/core/metadata.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionName,
  type RecordBatch,
  type RecordSource,
  type Space,
} from '../../src/core/records.js'
import { anyBatch, expectSameRecords, sampleBatch } from './records.js'

/** A collection that a source under test must hold. */
export interface Seed extends CollectionName {
  readonly metadata: Metadata | null
  readonly space: Space
  /** Without rows: an empty collection. */
  readonly records: RecordBatch
}

export interface SourceUnderTest {
  readonly source: RecordSource
  dispose(): Promise<void>
}

const [traps = sampleBatch({ rows: 0, dimension: 3 })] = fc.sample(anyBatch(3, 60), { numRuns: 1, seed: 20 })
const none = sampleBatch({ rows: 0, dimension: 0 })
const main = { tenant: 'default_tenant', database: 'default_database' }
const hnsw: Metadata = new Map<string, string | bigint>([
  ['hnsw:space', 'ip'],
  ['answer', 42n],
])

/** Small collections that together hold every trap. */
const seeds: readonly Seed[] = [
  { ...main, name: 'traps', metadata: new Map([['double', 1]]), space: 'l2', records: traps },
  { ...main, name: 'empty', metadata: null, space: 'cosine', records: none },
  { ...main, name: 'many', metadata: hnsw, space: 'ip', records: sampleBatch({ rows: 2500, dimension: 2 }) },
  { ...main, name: 'same', metadata: null, space: 'l2', records: sampleBatch({ rows: 3, dimension: 8 }) },
  {
    ...main,
    database: 'second',
    name: 'same',
    metadata: null,
    space: 'cosine',
    records: sampleBatch({ rows: 5, dimension: 4, first: 70 }),
  },
  {
    tenant: 'other_tenant',
    database: 'default_database',
    name: 'same',
    metadata: null,
    space: 'l2',
    records: sampleBatch({ rows: 2, dimension: 1, first: 90 }),
  },
]

/** For sources that are filled with definitions: as a server without schemas would show the seed. */
export function definitionOf(seed: Seed): CollectionDefinition {
  const { tenant, database, name, metadata, space, records } = seed
  return {
    tenant,
    database,
    name,
    metadata,
    id: displayName(seed),
    configuration: fromPlain({ hnsw: { space } }),
    schema: null,
    dimension: records.ids.length === 0 ? null : records.dimension,
  }
}

/** The contract of {@link RecordSource}, one test for each of its sentences. `setup` runs once. */
export function describeRecordSource(
  name: string,
  setup: (seeds: readonly Seed[]) => Promise<SourceUnderTest>,
): void {
  describe(`${name} as a RecordSource`, () => {
    let subject: SourceUnderTest | undefined
    const source = () => {
      if (subject === undefined) throw new Error('there is no source before the first test')
      return subject.source
    }
    beforeAll(async () => {
      subject = await setup(seeds)
    })
    afterAll(async () => {
      await subject?.dispose()
    })

    const definitionNamed = async (seed: CollectionName) => {
      const found = (await source().listCollections()).find((one) => displayName(one) === displayName(seed))
      if (found === undefined) throw new Error(`${displayName(seed)} is not listed`)
      return found
    }
    const open = async (seed: CollectionName) => source().openCollection(await definitionNamed(seed))

    test('lists every collection, sorted by tenant, database and name', async () => {
      const listed = await source().listCollections()
      expect(listed.map(displayName)).toEqual([
        'default_tenant/default_database/empty',
        'default_tenant/default_database/many',
        'default_tenant/default_database/same',
        'default_tenant/default_database/traps',
        'default_tenant/second/same',
        'other_tenant/default_database/same',
      ])
    })

    test.each(seeds)('tells metadata, dimension and space of $tenant/$database/$name', async (seed) => {
      const definition = await definitionNamed(seed)
      expect(definition.metadata).toEqual(seed.metadata)
      expect(definition.dimension).toBe(seed.records.ids.length === 0 ? null : seed.records.dimension)
      expect(spaceOf(definition)).toBe(seed.space)
    })

    test.each(seeds)('reads the records of $tenant/$database/$name in order, without loss', async (seed) => {
      const reader = await open(seed)
      expect(reader.expectedRecords).toBe(seed.records.ids.length)
      const batches: RecordBatch[] = []
      for await (const batch of reader.batches()) batches.push(batch)
      expect(batches.every(({ ids }) => ids.length > 0)).toBe(true)
      expectSameRecords(concatBatches(batches, seed.records.dimension), seed.records, seed.space)
      expect(reader.consistency()).toEqual({ added: 0, removed: 0, missing: 0 })
    })

    test('a reader can read once more', async () => {
      const reader = await open({ ...main, name: 'same' })
      for (let time = 0; time < 2; time++) {
        const batches: RecordBatch[] = []
        for await (const batch of reader.batches()) batches.push(batch)
        expect(batches.flatMap(({ ids }) => ids)).toEqual(['id00000000', 'id00000001', 'id00000002'])
      }
    })

    test('how consistent it was is not known before the end', async () => {
      const reader = await open({ ...main, name: 'many' })
      expect(() => reader.consistency()).toThrow()
      for await (const batch of reader.batches()) {
        expect(batch.ids[0]).toBe('id00000000')
        break
      }
      expect(() => reader.consistency()).toThrow()
    })

    test('a collection that is not there is not found', async () => {
      const definition = await definitionNamed({ ...main, name: 'same' })
      const gone = { ...definition, name: 'gone', id: '00000000-0000-4000-8000-000000000000' }
      await expect(source().openCollection(gone)).rejects.toMatchObject({
        code: 'COLLECTION_NOT_FOUND',
        exitCode: 10,
      })
    })

    test('a signal ends reading', async () => {
      const stop = new AbortController()
      const reader = await open({ ...main, name: 'many' })
      const read = async () => {
        for await (const batch of reader.batches(stop.signal)) {
          expect(batch.ids.length).toBeGreaterThan(0)
          stop.abort()
        }
      }
      await expect(read()).rejects.toThrow(AbortedError)
    })

    test('a signal that has fired lets nothing begin', async () => {
      const reader = await open({ ...main, name: 'many' })
      const batches = reader.batches(AbortSignal.abort())
      await expect(batches[Symbol.asyncIterator]().next()).rejects.toThrow(AbortedError)
    })
  })
}
