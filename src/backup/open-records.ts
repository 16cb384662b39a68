import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { Progress } from '../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionName,
  type CollectionReader,
  type RecordSource,
} from '../core/records.js'
import { openDataDirectory, type DataDirectory } from '../datadir/data-directory.js'
import { DirectorySource } from '../datadir/directory-source.js'
import { BackupSource, FilteredReader } from './backup-source.js'
import type { ErasedIds, Erasures } from './erasures.js'
import type { BackupHead } from './manifest.js'
import type { Repository } from './repository.js'
import { writeFiles } from './write-files.js'

/** The records of a backup, without those that were erased since. */
export interface BackupRecords extends RecordSource {
  /** What a reader of the collection leaves out, null when nothing: how many records, and what identifies them. */
  leftOut(
    name: CollectionName,
    signal?: AbortSignal,
  ): Promise<{ readonly records: number; readonly digest: string } | null>
}

export interface OpenRecordsJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Takes the files of a physical backup; default: the system's folder for temporary files. */
  readonly tempDir?: string | undefined
  readonly erasures: Erasures | null
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * The records of any backup; closed by the caller. Those of a physical one are read from its files, which are
 * written into a temporary folder. Rejects with what `writeFiles` and `openDataDirectory` reject with.
 */
export async function openBackupRecords(job: OpenRecordsJob): Promise<BackupRecords> {
  const { repository, head, progress, erasures } = job
  if (head.type !== 'physical') return new BackupSource(repository, head, progress, erasures)
  const tempDir = job.tempDir ?? tmpdir()
  await mkdir(tempDir, { recursive: true })
  const folder = await mkdtemp(path.join(tempDir, 'chroma-ops-files-'))
  try {
    await writeFiles({ ...job, folder, durable: false })
    return new PhysicalRecords(job, folder, await openDataDirectory(folder, { tempDir }))
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

class PhysicalRecords implements BackupRecords {
  readonly displayUrl: string
  readonly #job: OpenRecordsJob
  readonly #folder: string
  readonly #directory: DataDirectory
  readonly #source: DirectorySource

  constructor(job: OpenRecordsJob, folder: string, directory: DataDirectory) {
    this.displayUrl = `${job.repository.store.displayUrl}#${job.head.id}`
    this.#job = job
    this.#folder = folder
    this.#directory = directory
    this.#source = new DirectorySource(directory)
  }

  async listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    return this.#source.listCollections(signal)
  }

  async openCollection(definition: CollectionDefinition, signal?: AbortSignal): Promise<CollectionReader> {
    const reader = await this.#source.openCollection(definition, signal)
    const erased = this.#erasedOf(definition)
    if (erased === null) return reader
    const left = await count(reader, erased, signal)
    const again = await this.#source.openCollection(definition, signal)
    return left === 0 ? again : new FilteredReader(again, erased, reader.expectedRecords - left)
  }

  async leftOut(name: CollectionName, signal?: AbortSignal) {
    const definition = (await this.listCollections(signal)).find(
      (one) => displayName(one) === displayName(name),
    )
    const erased = definition === undefined ? null : this.#erasedOf(definition)
    if (definition === undefined || erased === null) return null
    const records = await count(await this.#source.openCollection(definition, signal), erased, signal)
    return records === 0 ? null : { records, digest: erased.digest }
  }

  async close(): Promise<void> {
    this.#directory.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #erasedOf(definition: CollectionDefinition): ErasedIds | null {
    return this.#job.erasures?.in(this.#job.head, definition) ?? null
  }
}

async function count(
  reader: CollectionReader,
  erased: ErasedIds,
  signal: AbortSignal | undefined,
): Promise<number> {
  let records = 0
  for await (const { ids } of reader.batches(signal)) for (const id of ids) if (erased.has(id)) records++
  return records
}
