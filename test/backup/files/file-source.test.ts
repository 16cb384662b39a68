import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { exportRecords } from '../../../src/backup/files/export-records.js'
import { readCollectionsFile } from '../../../src/backup/files/collections-file.js'
import { FileSource } from '../../../src/backup/files/file-source.js'
import { silentProgress } from '../../../src/core/progress.js'
import { MemorySource } from '../../helpers/memory-source.js'
import { definitionOf, describeRecordSource } from '../../helpers/record-source-conformance.js'

for (const format of ['jsonl', 'parquet'] as const)
  describeRecordSource(`Files (${format})`, async (seeds) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-files-'))
    const memory = new MemorySource(
      seeds.map((seed) => ({ definition: definitionOf(seed), batches: [seed.records] })),
    )
    const job = { source: memory, backup: 'seeds', format, folder, replace: false, progress: silentProgress }
    await exportRecords(job)
    const rules = { allowMissingVectors: false, allowNonFinite: true }
    const source = new FileSource(folder, await readCollectionsFile(folder), rules)
    return { source, dispose: () => rm(folder, { recursive: true }) }
  })
