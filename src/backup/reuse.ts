import type { Progress } from '../core/progress.js'
import { displayName, type CollectionName } from '../core/records.js'
import type { Catalogue, RowGroup } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { entriesByName, readContents } from './contents.js'
import { ObjectDamagedError } from './errors.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Extent, ObjectReference } from './object-reference.js'
import type { PendingExtent } from './object-writer.js'
import { PresentObjects } from './present-objects.js'
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
  readonly #contents: BackupContents
  readonly #entries: ReadonlyMap<string, CollectionEntry>
  readonly #progress: Progress
  readonly #reader: ObjectReader
  readonly #present: PresentObjects

  private constructor(
    repository: Repository,
    head: BackupHead,
    contents: BackupContents,
    progress: Progress,
  ) {
    this.head = head
    this.#present = new PresentObjects(repository.store)
    this.#contents = contents
    this.#entries = entriesByName(contents)
    this.#progress = progress
    this.#reader = new ObjectReader({ repository, backup: head.id, progress })
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
      const usable = await this.#present.indexesOf(catalogue.objects, signal)
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

  /** See {@link PresentObjects.checkAgain}. */
  async checkAgain(references: readonly ObjectReference[], signal?: AbortSignal): Promise<void> {
    await this.#present.checkAgain(references, signal)
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

export function pendingExtents(
  extents: readonly Extent[],
  objects: readonly ObjectReference[],
): readonly PendingExtent[] {
  return extents.map(([object, offset, length]) => ({
    object: { reference: objects[object] ?? null },
    offset,
    length,
  }))
}

export function warnOfDamage(error: unknown, progress: Progress): null {
  if (!(error instanceof ObjectDamagedError)) throw error
  progress.warn({ code: 'PARENT_DAMAGED', message: `nothing is reused: ${error.message}` })
  return null
}
