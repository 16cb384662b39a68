import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import path from 'node:path'

import { anySignal } from '../../core/abort.js'
import { asError, isErrno, UsageError } from '../../core/errors.js'
import {
  displayName,
  type CollectionName,
  type CollectionReader,
  type RecordSource,
  type Space,
} from '../../core/records.js'
import type { BackupJob, BackupSummary } from '../backup-job.js'
import { createBackup } from '../create-backup.js'
import { readCollectionsFile, type RecordFile, type RecordFormat } from './collections-file.js'
import { FileSource } from './file-source.js'
import { RecordFileError } from './record-file-error.js'
import type { FileRules } from './record-gate.js'

export interface RecordFilesJob {
  /** A file with records, or a folder that an export has filled. */
  readonly place: string
  /** Null: what the file's name or the folder says. */
  readonly format: RecordFormat | null
  /** What the collection of a file is; a folder says it itself. */
  readonly collection: (CollectionName & { readonly space: Space }) | null
}

export type ImportRecordsJob = Omit<BackupJob, 'source' | 'target' | 'scope'> & {
  /** Where the files are, for the manifest. */
  readonly place: string
  readonly files: readonly RecordFile[]
  readonly rules: FileRules
}

/** The files to import. Rejects with a UsageError or a {@link RecordFileError}. */
export async function findRecordFiles({
  place,
  format,
  collection,
}: RecordFilesJob): Promise<readonly RecordFile[]> {
  if (await isFolder(place)) {
    if (collection !== null)
      throw new UsageError('a folder says itself which collections are in it', {
        hint: 'name one of its files to give it another name',
      })
    const files = await readCollectionsFile(place)
    if (format !== null && files.some((file) => file.format !== format))
      throw new UsageError(`${place} holds files of another format than ${format}`)
    return files
  }
  if (collection === null)
    throw new UsageError('a file does not say which collection its records are of', {
      hint: 'name it with --collection [[tenant/]database/]name',
    })
  const { space, ...name } = collection
  return [
    {
      file: place,
      format: format ?? formatOf(place),
      records: null,
      definition: {
        ...name,
        id: idOf(name),
        metadata: null,
        configuration: new Map([['hnsw', new Map([['space', space]])]]),
        schema: null,
        dimension: null,
      },
    },
  ]
}

/**
 * Makes a backup of files, as {@link createBackup} does of a server; but a file that is wrong stops everything.
 * Rejects with a {@link RecordFileError} (13), or as createBackup does; then there is no new backup.
 */
export async function importRecords({
  place,
  files,
  rules,
  ...rest
}: ImportRecordsJob): Promise<BackupSummary> {
  const stop = new AbortController()
  const source = new FileSource(place, files, rules)
  const names = files.map(({ definition }) => definition)
  return createBackup({
    ...rest,
    source: stoppedBy(source, stop),
    target: {
      url: place,
      fingerprint: { kind: 'files', format: [...new Set(files.map(({ format }) => format))].join(', ') },
    },
    scope: { tenants: [...new Set(names.map(({ tenant }) => tenant))].sort(), databases: null },
    signal: anySignal(rest.signal, stop.signal),
  })
}

/** A backup of a server goes on when one collection is damaged; a file is put right and imported again. */
function stoppedBy(source: RecordSource, stop: AbortController): RecordSource {
  const watched = (reader: CollectionReader): CollectionReader => ({
    definition: reader.definition,
    expectedRecords: reader.expectedRecords,
    async *batches(signal) {
      try {
        yield* reader.batches(signal)
      } catch (error) {
        if (error instanceof RecordFileError) stop.abort(error)
        throw error
      }
    },
    consistency: () => reader.consistency(),
  })
  return {
    displayUrl: source.displayUrl,
    listCollections: (signal) => source.listCollections(signal),
    openCollection: async (definition, signal) => watched(await source.openCollection(definition, signal)),
    close: () => source.close(),
  }
}

/** The same collection has the same id in each import, so that unchanged records are not stored again. */
function idOf(name: CollectionName): string {
  const hex = createHash('sha256')
    .update(`file:${displayName(name)}`)
    .digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}

function formatOf(file: string): RecordFormat {
  const extension = path.extname(file).toLowerCase()
  if (extension === '.parquet') return 'parquet'
  if (['.jsonl', '.ndjson', '.json'].includes(extension)) return 'jsonl'
  throw new UsageError(`${file} does not say what is in it`, {
    hint: 'give --format jsonl or --format parquet',
  })
}

async function isFolder(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new UsageError(`there is no file ${place}`)
    throw new RecordFileError(place, null, `it cannot be read: ${asError(error).message}`, { cause: error })
  }
}
