import { CollectionNotFoundError } from '../chroma/errors.js'
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
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'
import { readRowGroups } from './row-group-reader.js'

/**
 * The records of a backup. Everything that is read is verified; reading rejects with an ObjectDamagedError
 * (13). Collections that could not be backed up are not listed.
 */
export class BackupSource implements RecordSource {
  readonly displayUrl: string
  readonly #repository: Repository
  readonly #head: BackupHead
  readonly #objects: ObjectReader
  #contents: IndexedContents | null = null

  /** `progress` hears of objects that had to be read twice. */
  constructor(repository: Repository, head: BackupHead, progress?: Progress) {
    this.displayUrl = `${repository.store.displayUrl}#${head.id}`
    this.#repository = repository
    this.#head = head
    this.#objects = new ObjectReader({
      store: repository.store,
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
    return new BackupCollectionReader(this.#objects, await this.#catalogue(entry, signal))
  }

  async close(): Promise<void> {}

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

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    this.#ended = false
    throwIfAborted(signal)
    const purpose = { collection: displayName(this.definition), signal }
    for await (const batch of readRowGroups({
      objects: this.#objects,
      catalogue: this.#catalogue,
      purpose,
    })) {
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
}

interface IndexedContents {
  readonly contents: BackupContents
  readonly entries: ReadonlyMap<string, CollectionEntry>
}
