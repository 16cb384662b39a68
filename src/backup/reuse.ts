import type { Progress } from '../core/progress.js'
import { displayName, type CollectionName } from '../core/records.js'
import type { Catalogue, RowGroup } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { entriesByName, readContents } from './contents.js'
import { BackupError, ObjectDamagedError } from './errors.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import { objectKey, objectPrefix, type Extent, type ObjectReference } from './object-reference.js'
import type { PendingExtent } from './object-writer.js'
import type { Repository } from './repository.js'
import type { PendingRowGroup } from './row-group-writer.js'

/** A collection of the parent backup: what it has need not be stored again. */
export interface ReusableCollection {
  readonly entry: CollectionEntry
  readonly catalogue: Catalogue
  readonly catalogueExtents: readonly PendingExtent[]
  readonly rowGroups: ReadonlyMap<string, PendingRowGroup>
}

/**
 * What a backup may take over from its parent: row groups with the same index page, whose objects are all
 * there with their size. The session pins the parent meanwhile; {@link checkAgain} must succeed before the
 * commit.
 */
export class ParentBackup {
  readonly head: BackupHead
  readonly #repository: Repository
  readonly #contents: BackupContents
  readonly #entries: ReadonlyMap<string, CollectionEntry>
  readonly #progress: Progress
  readonly #reader: ObjectReader
  readonly #sizes = new Map<string, Map<string, number>>()

  private constructor(
    repository: Repository,
    head: BackupHead,
    contents: BackupContents,
    progress: Progress,
  ) {
    this.head = head
    this.#repository = repository
    this.#contents = contents
    this.#entries = entriesByName(contents)
    this.#progress = progress
    this.#reader = new ObjectReader({ store: repository.store, backup: head.id, progress })
  }

  /** Null, with a warning, when the parent is damaged: then everything is stored anew. */
  static async open(job: {
    readonly repository: Repository
    readonly head: BackupHead
    readonly progress: Progress
    readonly signal?: AbortSignal | undefined
  }): Promise<ParentBackup | null> {
    try {
      const contents = await readContents(job.repository, job.head, job.signal)
      return new ParentBackup(job.repository, job.head, contents, job.progress)
    } catch (error) {
      return warnOfDamage(error, job.progress)
    }
  }

  async collection(name: CollectionName, signal?: AbortSignal): Promise<ReusableCollection | null> {
    const entry = this.#entries.get(displayName(name))
    if (entry === undefined) return null
    try {
      const catalogue = await readCatalogue(this.#reader, this.#contents, entry, signal)
      const usable = await this.#usable(catalogue.objects, signal)
      const pending = catalogue.rowGroups.flatMap((group) => reusable(group, catalogue.objects, usable) ?? [])
      return {
        entry,
        catalogue,
        catalogueExtents: pendingExtents(entry.catalogue, this.#contents.objects),
        rowGroups: new Map(pending.map((group) => [group.id, group])),
      }
    } catch (error) {
      return warnOfDamage(error, this.#progress)
    }
  }

  /**
   * Rejects with a {@link BackupError} when one of the earlier objects that the new backup needs is not there
   * any more.
   */
  async checkAgain(references: readonly ObjectReference[], signal?: AbortSignal): Promise<void> {
    this.#sizes.clear()
    const usable = await this.#usable(references, signal)
    const gone = references.find((_, index) => !usable.has(index))
    if (gone === undefined) return
    throw new BackupError(`${objectKey(gone)}, which this backup needs, disappeared while it ran`, {
      hint: 'run the backup again',
    })
  }

  /** Indexes of the objects that are in the store with the right size. */
  async #usable(references: readonly ObjectReference[], signal?: AbortSignal): Promise<ReadonlySet<number>> {
    const usable = new Set<number>()
    for (const [index, reference] of references.entries()) {
      const sizes = await this.#sizesOf(objectPrefix(reference.backup), signal)
      if (sizes.get(objectKey(reference)) === reference.size) usable.add(index)
    }
    return usable
  }

  async #sizesOf(prefix: string, signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const known = this.#sizes.get(prefix)
    if (known !== undefined) return known
    const sizes = new Map<string, number>()
    for await (const { key, size } of this.#repository.store.list(prefix, signal)) sizes.set(key, size)
    this.#sizes.set(prefix, sizes)
    return sizes
  }
}

function reusable(
  group: RowGroup,
  objects: readonly ObjectReference[],
  usable: ReadonlySet<number>,
): PendingRowGroup | null {
  const extents = [...group.vectors, ...group.payload, ...group.index]
  if (!extents.every(([object]) => usable.has(object))) return null
  return {
    ...group,
    vectors: pendingExtents(group.vectors, objects),
    payload: pendingExtents(group.payload, objects),
    index: pendingExtents(group.index, objects),
  }
}

function pendingExtents(
  extents: readonly Extent[],
  objects: readonly ObjectReference[],
): readonly PendingExtent[] {
  return extents.map(([object, offset, length]) => ({
    object: { reference: objects[object] ?? null },
    offset,
    length,
  }))
}

function warnOfDamage(error: unknown, progress: Progress): null {
  if (!(error instanceof ObjectDamagedError)) throw error
  progress.warn({ code: 'PARENT_DAMAGED', message: `nothing is reused: ${error.message}` })
  return null
}
