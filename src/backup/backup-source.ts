import { CollectionNotFoundError } from '../chroma/errors.js'
import { pickRows } from '../core/batch-rows.js'
import { throwIfAborted } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionName,
  type CollectionReader,
  type ReadConsistency,
  type RecordBatch,
  type RecordSource,
} from '../core/records.js'
import type { Catalogue } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { entriesByName, readContents } from './contents.js'
import type { ErasedIds, Erasures } from './erasures.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'
import { readIndex } from './read-index.js'
import { readRecords } from './read-records.js'
import type { RowGroupReadJob } from './row-group-reader.js'

/**
 * The records of a backup. Everything that is read is verified; reading rejects with an ObjectDamagedError
 * (13). Collections that could not be backed up are not listed.
 */
export class BackupSource implements RecordSource {
  readonly displayUrl: string
  readonly #repository: Repository
  readonly #head: BackupHead
  readonly #objects: ObjectReader
  readonly #erasures: Erasures | null
  #contents: IndexedContents | null = null

  /** `progress` hears of objects that had to be read twice. Records in `erasures` are left out. */
  constructor(
    repository: Repository,
    head: BackupHead,
    progress?: Progress,
    erasures: Erasures | null = null,
  ) {
    this.#erasures = erasures
    this.displayUrl = `${repository.store.displayUrl}#${head.id}`
    this.#repository = repository
    this.#head = head
    this.#objects = new ObjectReader({
      repository,
      backup: head.id,
      ...(progress && { progress }),
    })
  }

  async listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    const { contents } = await this.#readContents(signal)
    const definitions: CollectionDefinition[] = []
    for (const entry of contents.collections) {
      if (entry.status !== 'failed') definitions.push((await this.#catalogue(entry, signal)).definition)
    }
    return definitions
  }

  /** By tenant, database and name. */
  async openCollection(name: CollectionName, signal?: AbortSignal): Promise<CollectionReader> {
    const wanted = displayName(name)
    const { entries } = await this.#readContents(signal)
    const entry = entries.get(wanted)
    if (entry === undefined || entry.status === 'failed') {
      const present = [...entries.values()].filter(({ status }) => status !== 'failed')
      throw new CollectionNotFoundError([wanted], present.map(displayName))
    }
    const catalogue = await this.#catalogue(entry, signal)
    const erased = this.#erasures?.in(this.#head, catalogue.definition) ?? null
    const reader = new BackupCollectionReader(this.#objects, catalogue)
    return erased === null ? reader : reader.without(erased, signal)
  }

  async close(): Promise<void> {}

  /** What a reader of the collection leaves out, null when nothing: how many records, and what identifies them. */
  async leftOut(
    name: CollectionName,
    signal?: AbortSignal,
  ): Promise<{ readonly records: number; readonly digest: string } | null> {
    const entry = (await this.#readContents(signal)).entries.get(displayName(name))
    if (entry === undefined || entry.status === 'failed' || this.#erasures === null) return null
    const catalogue = await this.#catalogue(entry, signal)
    const erased = this.#erasures.in(this.#head, catalogue.definition)
    if (erased === null) return null
    const records = await new BackupCollectionReader(this.#objects, catalogue).count(erased, signal)
    return records === 0 ? null : { records, digest: erased.digest }
  }

  async #catalogue(entry: CollectionEntry, signal?: AbortSignal): Promise<Catalogue> {
    return readCatalogue(this.#objects, (await this.#readContents(signal)).contents, entry, signal)
  }

  async #readContents(signal?: AbortSignal): Promise<IndexedContents> {
    if (this.#contents === null) {
      const contents = await readContents(this.#repository, this.#head, signal)
      this.#contents = { contents, entries: entriesByName(contents) }
    }
    return this.#contents
  }
}

class BackupCollectionReader implements CollectionReader {
  readonly #objects: ObjectReader
  readonly #catalogue: Catalogue
  #ended = false

  constructor(objects: ObjectReader, catalogue: Catalogue) {
    this.#objects = objects
    this.#catalogue = catalogue
  }

  get definition(): CollectionDefinition {
    return this.#catalogue.definition
  }

  get expectedRecords(): number {
    return this.#catalogue.records
  }

  /** The same without some records; reads all ids first. */
  async without(erased: ErasedIds, signal: AbortSignal | undefined): Promise<CollectionReader> {
    const left = await this.count(erased, signal)
    return left === 0 ? this : new FilteredReader(this, erased, this.expectedRecords - left)
  }

  /** How many records of the collection have one of these ids. */
  async count(erased: ErasedIds, signal: AbortSignal | undefined): Promise<number> {
    let count = 0
    for await (const rows of readIndex(this.#reading(signal))) {
      throwIfAborted(signal)
      for (const { id } of rows) if (erased.has(id)) count++
    }
    return count
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    this.#ended = false
    throwIfAborted(signal)
    for await (const batch of readRecords(this.#reading(signal))) {
      yield batch
      throwIfAborted(signal)
    }
    this.#ended = true
  }

  consistency(): ReadConsistency {
    if (!this.#ended) throw new Error('the collection has not been read to its end')
    // Backups don't change while they are read.
    return { added: 0, removed: 0, missing: 0 }
  }

  #reading(signal: AbortSignal | undefined): RowGroupReadJob {
    const purpose = { collection: displayName(this.definition), signal }
    return { objects: this.#objects, catalogue: this.#catalogue, purpose }
  }
}

/** A collection without some of its records. */
export class FilteredReader implements CollectionReader {
  readonly expectedRecords: number
  readonly #reader: CollectionReader
  readonly #erased: ErasedIds

  constructor(reader: CollectionReader, erased: ErasedIds, expectedRecords: number) {
    this.#reader = reader
    this.#erased = erased
    this.expectedRecords = expectedRecords
  }

  get definition(): CollectionDefinition {
    return this.#reader.definition
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    for await (const batch of this.#reader.batches(signal)) {
      const rows = batch.ids.flatMap((id, row) => (this.#erased.has(id) ? [] : [row]))
      if (rows.length === batch.ids.length) yield batch
      else if (rows.length > 0) yield pickRows(batch, rows)
    }
  }

  consistency(): ReadConsistency {
    return this.#reader.consistency()
  }
}

interface IndexedContents {
  readonly contents: BackupContents
  readonly entries: ReadonlyMap<string, CollectionEntry>
}
