import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'
import fc from 'fast-check'

import { BackupSource } from '../../../src/backup/backup-source.js'
import { readCollections } from '../../../src/backup/contents.js'
import { createBackup } from '../../../src/backup/create-backup.js'
import { readCollectionsFile } from '../../../src/backup/files/collections-file.js'
import { exportRecords } from '../../../src/backup/files/export-records.js'
import { FileSource } from '../../../src/backup/files/file-source.js'
import { floatText } from '../../../src/backup/files/float-text.js'
import { silentProgress } from '../../../src/core/progress.js'
import { displayName } from '../../../src/core/records.js'
import { jobOf, newRepository, readEverything, sourceOf } from '../../helpers/backups.js'
import type { MemoryCollection } from '../../helpers/memory-source.js'
import { batchArbitrary, definitionArbitrary } from '../../helpers/record-arbitraries.js'

const collection: fc.Arbitrary<MemoryCollection> = fc
  .tuple(definitionArbitrary, fc.constantFrom(0, 1, 3, 17), fc.uuid())
  .chain(([definition, dimension, id]) =>
    batchArbitrary(dimension).map((batch) => ({
      definition: { ...definition, id, dimension: batch.ids.length === 0 ? null : dimension },
      batches: batch.ids.length === 0 ? [] : [allMissingWithout(batch)],
    })),
  )

/** A record of a collection without vectors has none. */
function allMissingWithout(batch: MemoryCollection['batches'][number]) {
  return batch.dimension > 0 ? batch : { ...batch, missingEmbeddings: [...batch.ids.keys()] }
}

const rules = { allowMissingVectors: true, allowNonFinite: true }

test.each(['jsonl', 'parquet'] as const)('backup → %s → backup gives the same digests', async (format) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(collection, {
        minLength: 1,
        maxLength: 4,
        selector: ({ definition }) => displayName(definition),
      }),
      async (collections) => {
        const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-round-'))
        try {
          const options = { allowEmpty: true, scope: { tenants: ['any'], databases: null } }
          const first = await newRepository()
          const { head } = await createBackup(jobOf(first, sourceOf(...collections), options))
          const source = new BackupSource(first, head)
          const job = { source, backup: head.id, format, folder, replace: false, progress: silentProgress }
          const exported = await exportRecords(job)
          expect((await readdir(folder)).length).toBe(exported.length + 1)
          const files = new FileSource(folder, await readCollectionsFile(folder), rules)
          const second = await newRepository()
          const { head: again } = await createBackup(jobOf(second, files, options))
          const shown = async (repository: typeof first, each: typeof head) =>
            (await readCollections(repository, each)).map(({ catalogue: _, ...entry }) => entry)
          expect(await shown(second, again)).toEqual(await shown(first, head))
          expect(await readEverything(new BackupSource(second, again))).toEqual(await readEverything(source))
        } finally {
          await rm(folder, { recursive: true })
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('a float32 is written as the shortest decimal that is it, with a point or an exponent', () => {
  expect(
    [0.1, 1, -2.5, 16777216, 1e-7, -0, 3.4028234663852886e38].map((x) => floatText(Math.fround(x))),
  ).toEqual(['0.1', '1.0', '-2.5', '16777216.0', '1e-7', '-0.0', '3.4028235e+38'])
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (float) => {
      const text = floatText(float)
      expect(Object.is(Math.fround(Number(text)), float)).toBe(true)
      expect(text).toMatch(/[.e]/)
    }),
    { numRuns: 2000 },
  )
})
