import { CollectionNotFoundError } from '../../src/chroma/errors.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionReader,
  type ReadConsistency,
  type RecordSource,
} from '../../src/core/records.js'
import { memoryReader, type MemoryCollection } from './memory-source.js'

const QUIET: ReadConsistency = { added: 0, removed: 0, missing: 0 }

/** A source in memory whose collections break after their first batch, change, come and go. */
export class FaultySource implements RecordSource {
  readonly displayUrl = 'memory:'
  beforeOpen: (definition: CollectionDefinition) => void = () => {}
  #collections: readonly MemoryCollection[]
  readonly #failures: Readonly<Record<string, Error>>
  readonly #consistency: ReadConsistency

  /** `failures` by name of the collection. */
  constructor(
    collections: readonly MemoryCollection[],
    failures: Readonly<Record<string, Error>> = {},
    consistency: ReadConsistency = QUIET,
  ) {
    this.#collections = collections
    this.#failures = failures
    this.#consistency = consistency
  }

  drop(name: string): void {
    this.#collections = this.#collections.filter(({ definition }) => definition.name !== name)
  }

  create(collection: MemoryCollection): void {
    this.#collections = [...this.#collections, collection]
  }

  async listCollections(): Promise<readonly CollectionDefinition[]> {
    return this.#collections.map(({ definition }) => definition)
  }

  async openCollection(definition: CollectionDefinition): Promise<CollectionReader> {
    this.beforeOpen(definition)
    const found = this.#collections.find((candidate) => candidate.definition.id === definition.id)
    if (found === undefined) throw new CollectionNotFoundError([displayName(definition)])
    const failure = this.#failures[definition.name]
    return {
      ...memoryReader(found),
      consistency: () => this.#consistency,
      async *batches() {
        for (const batch of found.batches) {
          yield batch
          if (failure !== undefined) throw failure
        }
      },
    }
  }

  async close(): Promise<void> {}
}
