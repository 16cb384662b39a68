import type { BlobStore } from '../storage/blob-store.js'
import { BackupError } from './errors.js'
import { objectKey, objectPrefix, type ObjectReference } from './object-reference.js'

/** Which objects of earlier backups are in the store with their size; looked up once for each of those backups. */
export class PresentObjects {
  readonly #store: BlobStore
  readonly #sizes = new Map<string, ReadonlyMap<string, number>>()

  constructor(store: BlobStore) {
    this.#store = store
  }

  /** Indexes of the objects that are there. */
  async indexesOf(
    references: readonly ObjectReference[],
    signal?: AbortSignal,
  ): Promise<ReadonlySet<number>> {
    const present = new Set<number>()
    for (const [index, reference] of references.entries()) {
      const sizes = await this.#sizesOf(objectPrefix(reference.backup), signal)
      if (sizes.get(objectKey(reference)) === reference.size) present.add(index)
    }
    return present
  }

  /**
   * Looks again. Rejects with a {@link BackupError} when one of the earlier objects that the new backup needs
   * is not there any more.
   */
  async checkAgain(references: readonly ObjectReference[], signal?: AbortSignal): Promise<void> {
    this.#sizes.clear()
    const present = await this.indexesOf(references, signal)
    const gone = references.find((_, index) => !present.has(index))
    if (gone === undefined) return
    throw new BackupError(`${objectKey(gone)}, which this backup needs, disappeared while it ran`, {
      hint: 'run the backup again',
    })
  }

  async #sizesOf(prefix: string, signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const known = this.#sizes.get(prefix)
    if (known !== undefined) return known
    const sizes = new Map<string, number>()
    for await (const { key, size } of this.#store.list(prefix, signal)) sizes.set(key, size)
    this.#sizes.set(prefix, sizes)
    return sizes
  }
}
