import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { BackupSource } from '../../src/backup/backup-source.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import type { RecordSource } from '../../src/core/records.js'
import type { BlobStore } from '../../src/storage/blob-store.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import {
  collectionOf,
  jobOf,
  newRepository,
  numberedBatch,
  readEverything,
  sourceOf,
} from '../helpers/backups.js'
import { batchArbitrary, definitionArbitrary } from '../helpers/record-arbitraries.js'

/** `npm run test:soak` tries more. */
const CASES = Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 70)

/** Backs up, verifies every record, reads back, compares all of it. */
async function expectRoundTrip(store: BlobStore, source: RecordSource): Promise<void> {
  const repository = await newRepository(store)
  const { head } = await createBackup(jobOf(repository, source, { allowEmpty: true }))
  const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
  expect(report).toMatchObject({ status: 'ok', problems: [], records: head.counts.records })
  const backup = new BackupSource(repository, head)
  expect(await readEverything(backup)).toEqual(await readEverything(source))
}

async function withLocalStore(use: (store: BlobStore) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
  try {
    await use(new LocalStore(folder))
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('what is backed up is what is read back', () => {
  const anySource = fc
    .array(
      fc.record({
        definition: definitionArbitrary,
        batches: fc
          .integer({ min: 0, max: 9 })
          .chain((dimension) => fc.array(batchArbitrary(dimension), { maxLength: 3 })),
      }),
      { maxLength: 4 },
    )
    .map((collections) =>
      sourceOf(
        ...collections.map(({ definition, batches }, number) => ({
          batches,
          definition: {
            ...definition,
            name: `${definition.name}-${number}`,
            id: `id-${number}`,
            dimension: batches[0]?.dimension ?? null,
          },
        })),
      ),
    )

  test('whatever it is, in memory', async () => {
    await fc.assert(
      fc.asyncProperty(anySource, (source) => expectRoundTrip(new MemoryStore(), source)),
      { numRuns: CASES },
    )
  })

  test('whatever it is, on disk', async () => {
    await fc.assert(
      fc.asyncProperty(anySource, (source) => withLocalStore((store) => expectRoundTrip(store, source))),
      { numRuns: 15 },
    )
  })

  test('several row groups with objects of their own', async () => {
    await expectRoundTrip(
      new MemoryStore(),
      sourceOf(collectionOf('wide', [numberedBatch(1500, 1024, 'a'), numberedBatch(1, 1024, 'b')])),
    )
  })

  test('documents larger than an object', async () => {
    const batch = numberedBatch(4, 2, 'long')
    const documents = ['short', 'ä"\n'.repeat(2_500_000), null, 'x'.repeat(9_000_000)]
    await expectRoundTrip(new MemoryStore(), sourceOf(collectionOf('long', [{ ...batch, documents }])))
  })

  test('no collection at all, and an empty one', async () => {
    await expectRoundTrip(new MemoryStore(), sourceOf())
    await expectRoundTrip(new MemoryStore(), sourceOf(collectionOf('empty', [], { dimension: 7 })))
  })

  test('very many tiny collections in few objects, with a small manifest', async () => {
    const tiny = Array.from({ length: 700 }, (_, number) =>
      collectionOf(`tiny-${String(number).padStart(4, '0')}`, [numberedBatch(number % 4, 3, `t${number}-`)]),
    )
    const store = new MemoryStore()
    await expectRoundTrip(store, sourceOf(...tiny))
    let objects = 0
    for await (const { key } of store.list('objects/')) if (key !== '') objects++
    expect(objects).toBeLessThan(8)
    for await (const { size } of store.list('backups/')) expect(size).toBeLessThan(100_000)
  })
})
