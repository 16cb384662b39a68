import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { CollectionNotFoundError } from '../../chroma/errors.js'
import {
  parseCollectionPattern,
  selectCollections,
  unmatchedPatterns,
} from '../../core/collection-pattern.js'
import type { Progress } from '../../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type RecordBatch,
  type RecordSource,
} from '../../core/records.js'
import { refuseExisting, writeNewFile } from '../archive/new-file.js'
import {
  COLLECTIONS_FILE,
  encodeCollections,
  type RecordFile,
  type RecordFormat,
} from './collections-file.js'
import { fileNames } from './file-names.js'
import { JsonlWriter } from './jsonl-file.js'
import { ParquetFileWriter } from './parquet-file.js'

export interface ExportRecordsJob {
  readonly source: RecordSource
  /** Where the records are from, for the list of collections. */
  readonly backup: string
  readonly format: RecordFormat
  /** Made where there is none. */
  readonly folder: string
  /** Patterns `[[tenant/]database/]name`; absent: every collection. */
  readonly collections?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** Replace files that are there. */
  readonly replace: boolean
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface ExportedCollection {
  readonly tenant: string
  readonly database: string
  readonly name: string
  readonly file: string
  readonly records: number
  /** Records without a vector, because the source had lost it. */
  readonly missingVectors: number
}

interface RecordWriter {
  write(batch: RecordBatch): Promise<void>
  finish(): Promise<void>
}

/**
 * Writes the records of each collection into a file, and a list of them at last. A file appears when it is whole.
 * Rejects with a GuardError `FILE_EXISTS` (15), a CollectionNotFoundError (10) for a pattern that matches nothing, with
 * what the source rejects with, or a StoreError of the disk.
 */
export async function exportRecords(job: ExportRecordsJob): Promise<readonly ExportedCollection[]> {
  const { source, backup, format, folder, replace, signal } = job
  const definitions = await selected(job)
  const names = fileNames(definitions, format)
  const place = (definition: CollectionDefinition) =>
    path.join(folder, names.get(displayName(definition)) ?? '')
  const list = path.join(folder, COLLECTIONS_FILE)
  if (!replace) for (const file of [list, ...definitions.map(place)]) await refuseExisting(file)
  const exported: ExportedCollection[] = []
  const files: RecordFile[] = []
  for (const definition of definitions) {
    const reader = await source.openCollection(definition, signal)
    const { tenant, database, name } = definition
    const file = place(definition)
    const counts = await writeNewFile(file, replace, (handle) =>
      writeRecords(job, handle, reader.batches(signal), {
        task: displayName(definition),
        total: reader.expectedRecords,
      }),
    )
    exported.push({ tenant, database, name, file, ...counts })
    files.push({ definition, file, format, records: counts.records })
  }
  await writeNewFile(list, replace, (handle) => handle.writeFile(encodeCollections(backup, files)))
  return exported
}

async function writeRecords(
  { format, progress }: ExportRecordsJob,
  handle: FileHandle,
  batches: AsyncIterable<RecordBatch>,
  { task, total }: { readonly task: string; readonly total: number },
): Promise<{ readonly records: number; readonly missingVectors: number }> {
  const writer: RecordWriter =
    format === 'jsonl' ? new JsonlWriter(handle) : await ParquetFileWriter.create(handle)
  let [records, missingVectors] = [0, 0]
  const tell = (state?: 'done') => {
    progress.update({
      task,
      phase: 'write',
      done: records,
      total: Math.max(total, records),
      unit: 'records',
      ...(state && { state }),
    })
  }
  for await (const batch of batches) {
    await writer.write(batch)
    records += batch.ids.length
    missingVectors += batch.missingEmbeddings.length
    tell()
  }
  await writer.finish()
  tell('done')
  return { records, missingVectors }
}

async function selected({ source, collections = [], exclude = [], signal }: ExportRecordsJob) {
  const known = await source.listCollections(signal)
  const include = collections.map(parseCollectionPattern)
  const [unmatched] = unmatchedPatterns(include, known)
  if (unmatched !== undefined) throw new CollectionNotFoundError([unmatched.text], known.map(displayName))
  return selectCollections(known, { include, exclude: exclude.map(parseCollectionPattern) })
}
