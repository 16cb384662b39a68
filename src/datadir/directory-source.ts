import path from 'node:path'

import { isJsonObject } from '../core/json.js'
import { throwIfAborted } from '../core/errors.js'
import { isHousekeeping } from '../core/own-collections.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionReader,
  type ReadConsistency,
  type RecordBatch,
  type RecordSource,
} from '../core/records.js'
import type { DataDirectory, Segment } from './data-directory.js'
import { CollectionMissingError, type HnswError, type PickleError } from './errors.js'
import { DirectoryState } from './directory-state.js'
import { addedPages, changedPage } from './pending-pages.js'
import { pendingWrites, type PendingWrites } from './pending-writes.js'
import { RecordPages, type RecordPage } from './record-pages.js'
import { SegmentVectors } from './segment-vectors.js'

export interface DirectorySourceOptions {
  /** Size of a batch to aim at, in bytes of vectors and text; default 4 MB. */
  readonly batchBytes?: number
  /** Told when the index of a collection cannot be read: its saved vectors are missing then. */
  readonly onDamage?: (definition: CollectionDefinition, problem: HnswError | PickleError) => void
}

const BATCH_BYTES = 4_000_000
const MAX_ROWS = 4000
/** A batch may be so many times as large as aimed at. */
const SURPRISE = 2

/**
 * The records in a data directory, without a server: what is in the tables, the vectors in the files of the
 * indexes, and on top what the log says since they were saved. It gives what a server gives that is started on
 * the directory, record for record and in the same order; only vectors of cosine collections that are still in
 * the log come as they were written, where a server gives them rounded.
 *
 * The directory must not change meanwhile: read a copy of one that a server works on. A reader rejects with a
 * {@link DirectoryChangedError} (11) at the end when it did.
 */
export class DirectorySource implements RecordSource {
  readonly displayUrl: string
  readonly #directory: DataDirectory
  readonly #options: DirectorySourceOptions

  /** The directory stays the caller's. */
  constructor(directory: DataDirectory, options: DirectorySourceOptions = {}) {
    this.#directory = directory
    this.#options = options
    this.displayUrl = directory.path
  }

  /** Without the collections that are still being built, and without the lock of migrations. */
  async listCollections(signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    throwIfAborted(signal)
    return this.#directory.collections().filter((collection) => !isHousekeeping(collection))
  }

  /** Rejects with a {@link CollectionMissingError} if it is gone. */
  async openCollection(definition: CollectionDefinition, signal?: AbortSignal): Promise<CollectionReader> {
    throwIfAborted(signal)
    const current = this.#directory.collections().find(({ id }) => id === definition.id)
    if (current === undefined || displayName(current) !== displayName(definition))
      throw new CollectionMissingError(`no collection named ${definition.name}`)
    return new DirectoryReader(this.#directory, current, this.#options)
  }

  async close(): Promise<void> {}
}

class DirectoryReader implements CollectionReader {
  readonly definition: CollectionDefinition
  readonly expectedRecords: number
  readonly #directory: DataDirectory
  readonly #options: DirectorySourceOptions
  readonly #pages: RecordPages | null
  readonly #pending: PendingWrites
  readonly #rowIds: Float64Array
  #consistency: ReadConsistency | undefined

  constructor(directory: DataDirectory, definition: CollectionDefinition, options: DirectorySourceOptions) {
    this.definition = definition
    this.#directory = directory
    this.#options = options
    const segment = this.#segment('METADATA')
    this.#pages = segment === undefined ? null : new RecordPages(directory.database, segment.id)
    this.#rowIds = this.#pages?.rowIds() ?? new Float64Array(0)
    this.#pending = pendingWrites(directory.database, definition.id, segment?.id ?? '')
    const added = [...this.#pending.changed.values()].filter((record) => record.added)
    this.expectedRecords = this.#rowIds.length - this.#pending.deleted.size + added.length
  }

  async *batches(signal?: AbortSignal): AsyncGenerator<RecordBatch, void, undefined> {
    this.#consistency = undefined
    throwIfAborted(signal)
    const before = await DirectoryState.of(this.#directory, this.#segment('VECTOR')?.id)
    const vectors = await this.#openVectors(signal)
    let missing = 0
    try {
      let next: Promise<RecordBatch> | undefined
      for (const { page, gone } of this.#allPages()) {
        // The vectors of a page are read while its successor is asked for, and while the consumer has it.
        const ready = await next
        next = this.#withVectors(page, vectors)
        next.catch(() => {})
        missing += gone
        if (ready !== undefined && ready.ids.length > 0) yield ready
        throwIfAborted(signal)
      }
      const last = await next
      if (last !== undefined && last.ids.length > 0) yield last
      await before.requireUnchanged()
      this.#consistency = { added: 0, removed: 0, missing }
    } finally {
      await vectors.close()
    }
  }

  consistency(): ReadConsistency {
    if (this.#consistency === undefined) throw new Error('the collection has not been read to its end')
    return this.#consistency
  }

  *#allPages(): Generator<{ readonly page: RecordPage; readonly gone: number }> {
    const pages = this.#pages
    if (pages !== null) {
      for (const rowIds of this.#plan(pages)) {
        const page = pages.read(rowIds)
        yield { page: changedPage(page, this.#pending), gone: rowIds.length - page.ids.length }
      }
    }
    for (const page of addedPages(this.#pending)) yield { page, gone: 0 }
  }

  /** Pieces of the row ids, of about the size of a batch. */
  *#plan(pages: RecordPages): Generator<Float64Array> {
    const { batchBytes = BATCH_BYTES } = this.#options
    const vectorBytes = 4 * (this.definition.dimension ?? 0)
    const most = Math.max(1, Math.min(MAX_ROWS, Math.floor(batchBytes / (vectorBytes + 100))))
    let rows = most
    for (let at = 0; at < this.#rowIds.length;) {
      const piece = this.#rowIds.subarray(at, at + rows)
      const bytes = pages.documentBytes(piece) + piece.length * vectorBytes
      if (bytes > SURPRISE * batchBytes && piece.length > 1) {
        rows = Math.max(1, Math.floor((piece.length * batchBytes) / bytes))
        continue
      }
      yield piece
      at += piece.length
      rows = Math.min(
        most,
        Math.max(1, Math.floor((piece.length * batchBytes) / Math.max(bytes, 1))),
        rows * 2,
      )
    }
  }

  async #withVectors(page: RecordPage, vectors: SegmentVectors): Promise<RecordBatch> {
    const { dimension } = this.definition
    const { ids, pieces, documents, uris, metadatas } = page
    const embeddings = new Float32Array(ids.length * (dimension ?? 0))
    const missingEmbeddings = await vectors.read(pieces, embeddings)
    return { ids, dimension: dimension ?? 0, embeddings, missingEmbeddings, documents, uris, metadatas }
  }

  async #openVectors(signal: AbortSignal | undefined): Promise<SegmentVectors> {
    const segment = this.#segment('VECTOR')
    const vectors = await SegmentVectors.open(
      {
        database: this.#directory.database,
        collectionId: this.definition.id,
        segmentId: segment?.id ?? null,
        folder: segment === undefined ? null : path.join(this.#directory.path, segment.id),
        dimension: this.definition.dimension ?? 0,
        cosine: isCosine(this.definition),
      },
      signal,
    )
    if (vectors.problem !== null) this.#options.onDamage?.(this.definition, vectors.problem)
    return vectors
  }

  #segment(scope: string): Segment | undefined {
    const { id } = this.definition
    return this.#directory.segments.find((one) => one.scope === scope && one.collectionId === id)
  }
}

function isCosine({ configuration }: CollectionDefinition): boolean {
  const hnsw = isJsonObject(configuration) ? configuration.get('hnsw') : undefined
  return isJsonObject(hnsw) && hnsw.get('space') === 'cosine'
}
