import type { Progress } from '../core/progress.js'
import type { CollectionDefinition, CollectionReader, RecordSource } from '../core/records.js'
import type { BackupHead } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Repository } from './repository.js'

/** The records of a backup. Everything read is verified; rejects with an ObjectDamagedError (13). */
export class BackupSource implements RecordSource {
  readonly displayUrl: string
  readonly #reader: ObjectReader

  constructor(repository: Repository, head: BackupHead, progress?: Progress) {
    this.displayUrl = `${repository.store.displayUrl}#${head.id}`
    this.#reader = new ObjectReader({
      store: repository.store,
      backup: head.id,
      ...(progress && { progress }),
    })
  }

  async listCollections(_signal?: AbortSignal): Promise<readonly CollectionDefinition[]> {
    return Promise.reject(new Error(`in the making: ${this.#reader.rereadObjects}`))
  }

  async openCollection(definition: CollectionDefinition, _signal?: AbortSignal): Promise<CollectionReader> {
    return Promise.reject(new Error(`in the making: ${definition.name}`))
  }

  async close(): Promise<void> {}
}
