import { CollectionNotFoundError } from '../../chroma/errors.js'
import { throwIfAborted } from '../../core/errors.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionName,
  type CollectionReader,
  type ReadConsistency,
  type RecordBatch,
  type RecordSource,
} from '../../core/records.js'
import type { RecordFile } from './collections-file.js'
import { readJsonl } from './jsonl-file.js'
import { readParquet } from './parquet-file.js'
import { RecordFileError } from './record-file-error.js'
import { RecordGate, type FileRules } from './record-gate.js'

/**
 * The records of files, one for each collection. Reading rejects with a {@link RecordFileError} (13), which names the
 * file and the line, for what is no record, an id that is there twice, vectors of another length, and the end of a
 * file that has lost records.
 */
export class FileSource implements RecordSource {
  readonly displayUrl: string
  readonly #files: readonly RecordFile[]
  readonly #rules: FileRules

  constructor(displayUrl: string, files: readonly RecordFile[], rules: FileRules) {
    this.displayUrl = displayUrl
    this.#files = [...files].sort((a, b) => byName(a.definition, b.definition))
    this.#rules = rules
  }

  async listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    throwIfAborted(signal)
    return this.#files.map(({ definition }) => definition)
  }

  async openCollection(name: CollectionName, signal?: AbortSignal): Promise<CollectionReader> {
    throwIfAborted(signal)
    const wanted = displayName(name)
    const found = this.#files.find(({ definition }) => displayName(definition) === wanted)
    if (found !== undefined) return new FileReader(found, this.#rules)
    throw new CollectionNotFoundError(
      [wanted],
      this.#files.map(({ definition }) => displayName(definition)),
    )
  }

  async close(): Promise<void> {}
}

class FileReader implements CollectionReader {
  readonly #file: RecordFile
  readonly #rules: FileRules
  #ended = false

  constructor(file: RecordFile, rules: FileRules) {
    this.#file = file
    this.#rules = rules
  }

  get definition(): CollectionDefinition {
    return this.#file.definition
  }

  get expectedRecords(): number {
    return this.#file.records ?? 0
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    this.#ended = false
    const { file, format, records, definition } = this.#file
    const gate = new RecordGate(file, definition.dimension, this.#rules, records ?? 0)
    const read = format === 'jsonl' ? readJsonl : readParquet
    let count = 0
    for await (const batch of read(file, gate, signal)) {
      count += batch.ids.length
      yield batch
    }
    if (records !== null && count !== records)
      throw new RecordFileError(file, null, `has ${count} records instead of ${records}`, {
        hint: 'take another copy of it; if it was changed on purpose, put "records" right in collections.json',
      })
    this.#ended = true
  }

  consistency(): ReadConsistency {
    if (!this.#ended) throw new Error('the file has not been read to its end')
    // Who changes a file while it is read is on their own.
    return { added: 0, removed: 0, missing: 0 }
  }
}

function byName(a: CollectionName, b: CollectionName): number {
  return compare(a.tenant, b.tenant) || compare(a.database, b.database) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
