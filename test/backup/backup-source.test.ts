import { expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { MemorySource } from '../helpers/memory-source.js'
import { definitionOf, describeRecordSource } from '../helpers/record-source-conformance.js'

describeRecordSource('BackupSource', async (seeds) => {
  const repository = await newRepository()
  const collections = seeds.map((seed) => ({ definition: definitionOf(seed), batches: [seed.records] }))
  const { head } = await createBackup(jobOf(repository, new MemorySource(collections)))
  const source = new BackupSource(repository, head)
  return { source, dispose: () => source.close() }
})

test('batches are bounded, however large the row groups and the documents are', async () => {
  const repository = await newRepository()
  const wide = numberedBatch(1500, 1024, 'w')
  const long = {
    ...numberedBatch(60, 2, 'l'),
    documents: Array.from({ length: 60 }, () => 'x'.repeat(200_000)),
  }
  const { head } = await createBackup(
    jobOf(repository, sourceOf(collectionOf('long', [long]), collectionOf('wide', [wide]))),
  )
  const backup = new BackupSource(repository, head)
  for (const definition of await backup.listCollections()) {
    const reader = await backup.openCollection(definition)
    let batches = 0
    for await (const batch of reader.batches()) {
      batches++
      expect(batch.embeddings.byteLength).toBeLessThanOrEqual(4 * 1024 * 1024)
      expect(batch.documents.join('').length).toBeLessThan(5 * 1024 * 1024)
    }
    expect(batches).toBeGreaterThan(1)
  }
})
