import { CollectionNotFoundError } from '../../src/chroma/errors.js'
import { pickRows, sliceRows } from '../../src/core/batch-rows.js'
import type { Metadata } from '../../src/core/metadata.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionReader,
  type RecordBatch,
  type RecordLookup,
  type RecordSource,
} from '../../src/core/records.js'

/** One record as tests write it down. */
export interface PlainRecord {
  readonly id: string
  /** Null: the vector is lost. */
  readonly embedding: readonly number[] | null
  readonly document?: string | null
  readonly uri?: string | null
  readonly metadata?: Metadata | null
}

export function batchOf(records: readonly PlainRecord[], dimension?: number): RecordBatch {
  const floats = dimension ?? records.find(({ embedding }) => embedding !== null)?.embedding?.length ?? 0
  const embeddings = new Float32Array(records.length * floats)
  records.forEach(({ embedding }, row) => embeddings.set(embedding ?? [], row * floats))
  return {
    ids: records.map(({ id }) => id),
    dimension: floats,
    embeddings,
    missingEmbeddings: records.flatMap(({ embedding }, row) => (embedding === null ? [row] : [])),
    documents: records.map(({ document }) => document ?? null),
    uris: records.map(({ uri }) => uri ?? null),
    metadatas: records.map(({ metadata }) => metadata ?? null),
  }
}

export interface MemoryCollection {
  readonly definition: CollectionDefinition
  readonly batches: readonly RecordBatch[]
}

/** Records that are simply there. */
export class MemorySource implements RecordSource {
  readonly displayUrl = 'memory:'
  readonly #collections: readonly MemoryCollection[]

  constructor(collections: readonly MemoryCollection[]) {
    this.#collections = collections
  }

  async listCollections(): Promise<readonly CollectionDefinition[]> {
    return this.#collections.map(({ definition }) => definition)
  }

  async openCollection(definition: CollectionDefinition): Promise<CollectionReader> {
    const found = this.#collections.find((candidate) => candidate.definition.id === definition.id)
    if (found === undefined) throw new CollectionNotFoundError([displayName(definition)])
    return memoryReader(found)
  }

  async close(): Promise<void> {}
}

export function memoryReader({ definition, batches }: MemoryCollection): CollectionReader {
  return {
    definition,
    expectedRecords: batches.reduce((sum, { ids }) => sum + ids.length, 0),
    async *batches() {
      yield* batches
    },
    consistency: () => ({ added: 0, removed: 0, missing: 0 }),
  }
}

/** `batch` as a collection that can be looked up, in pieces of `page` ids. */
export function memoryLookup(batch: RecordBatch, page = 1000): RecordLookup {
  return {
    count: async () => batch.ids.length,
    async *listIds() {
      for (let at = 0; at < batch.ids.length; at += page) yield sliceRows(batch, at, at + page).ids
    },
    fetch: async (ids) => {
      const wanted = new Set(ids)
      return pickRows(
        batch,
        batch.ids.flatMap((id, row) => (wanted.has(id) ? [row] : [])),
      )
    },
  }
}

/** A collection of the default tenant and database, as a new one on a server would be. */
export function definitionOf(
  name: string,
  overrides: Partial<CollectionDefinition> = {},
): CollectionDefinition {
  return {
    tenant: 'default_tenant',
    database: 'default_database',
    name,
    id: `id-of-${name}`,
    metadata: null,
    configuration: new Map([['hnsw', new Map([['space', 'l2']])]]),
    schema: null,
    dimension: null,
    ...overrides,
  }
}
