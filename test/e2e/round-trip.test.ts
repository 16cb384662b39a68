import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, test } from '@jest/globals'
import fc from 'fast-check'

import type { ChromaApi } from '../../src/chroma/api.js'
import { serverLookup } from '../../src/chroma/server-lookup.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import type { Metadata } from '../../src/core/metadata.js'
import type { RecordBatch, Space } from '../../src/core/records.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { runJson } from '../helpers/outcomes.js'
import type { Seed } from '../helpers/record-source-conformance.js'
import {
  anyBatch,
  anyMetadata,
  expectSameMetadata,
  expectSameRecords,
  sampleBatch,
} from '../helpers/records.js'
import { backUp } from '../helpers/repositories.js'
import { freshDatabase, withApi } from '../helpers/restores.js'
import { dropCollections } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` has more. */
const CASES = Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 36)
const CASES_AT_ONCE = 36

/** Nothing is ever dropped on the first: Chroma shows lists of dropped collections on new records. */
const source = chromaForSuite()
const target = chromaForSuite()
const tenant = 'default_tenant'
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-round-'))
})

afterAll(() => rm(folder, { recursive: true }))

/** Everything of one database, by way of a backup. */
async function carryOver(database: string): Promise<void> {
  const repo = path.join(folder, database)
  await backUp(source().url, repo, '--database', database)
  await runJson(['restore', 'latest', '--repo', repo, '--url', target().url])
}

async function expectOnTarget(api: ChromaApi, seed: Seed): Promise<void> {
  const definition = await api.getCollection(seed)
  expectSameMetadata(definition.metadata, seed.metadata)
  const lookup = serverLookup(api, definition)
  const batches: RecordBatch[] = []
  for await (const ids of lookup.listIds()) batches.push(await lookup.fetch(ids))
  expectSameRecords(concatBatches(batches, seed.records.dimension), seed.records, seed.space)
}

const shape = fc.tuple(
  fc.constantFrom<Space>('l2', 'ip', 'l2', 'ip', 'cosine'),
  fc.integer({ min: 1, max: 24 }).chain((dimension) => anyBatch(dimension, 8)),
  anyMetadata,
)

function seedsOf(database: string, seed: number, cases: number): Seed[] {
  return fc.sample(shape, { numRuns: cases, seed }).map(([space, batch, metadata], number) => ({
    tenant,
    database,
    name: `case-${number}`,
    space,
    metadata: ownMetadata(metadata),
    records: space === 'cosine' ? withTameVectors(batch) : batch,
  }))
}

/** Keys with a colon mean something to Chroma, and lists are for records only. */
function ownMetadata(metadata: Metadata | null): Metadata | null {
  const plain = [...(metadata ?? [])].filter(([key, value]) => !key.includes(':') && !Array.isArray(value))
  return plain.length === 0 ? null : new Map(plain)
}

/** Chroma normalises vectors of cosine collections, which very long and very short ones do not survive. */
function withTameVectors(batch: RecordBatch): RecordBatch {
  return { ...batch, embeddings: batch.embeddings.map((_, at) => Math.sin(at + batch.ids.length)) }
}

test(
  `${CASES} collections of arbitrary records come back as they were`,
  async () => {
    for (let done = 0; done < CASES; done += CASES_AT_ONCE) {
      const database = await withApi(source().url, freshDatabase)
      const seed = Math.floor(Math.random() * 2 ** 31)
      const seeds = seedsOf(database, seed, Math.min(CASES_AT_ONCE, CASES - done))
      await withApi(source().url, (api) => seedServer(api, seeds))
      await carryOver(database)
      await withApi(target().url, async (api) => {
        for (const one of seeds) {
          try {
            await expectOnTarget(api, one)
          } catch (error) {
            throw new Error(`${one.name} of seed ${seed} did not come back`, { cause: error })
          }
        }
      })
      await dropCollections(target().url)
    }
  },
  60_000 + CASES * 2_000,
)

test('very long ids, documents and vectors come back', async () => {
  const documents = ['x'.repeat(32 * 1024), 'ä👍\u0001'.repeat(8_000), 'y'.repeat(1_000_000)]
  const ids = ['i'.repeat(32 * 1024), 'ü'.repeat(9_000), 'short']
  const records = { ...sampleBatch({ rows: 3, dimension: 4096 }), ids, documents }
  const database = await withApi(source().url, freshDatabase)
  const seed: Seed = { tenant, database, name: 'long', metadata: null, space: 'l2', records }
  await withApi(source().url, (api) => seedServer(api, [seed]))
  await carryOver(database)
  await withApi(target().url, (api) => expectOnTarget(api, seed))
})
