import type { Progress } from '../core/progress.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import type { Catalogue, Layer, RowGroup } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { entriesByName, readContents } from './contents.js'
import { ObjectDamagedError } from './errors.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { Extent, ObjectReference } from './object-reference.js'
import type { PendingExtent } from './object-writer.js'
import { PresentObjects } from './present-objects.js'
import type { Repository } from './repository.js'
import { readIndex, type PlacedRow } from './read-index.js'
import type { PendingLayer, PendingRowGroup } from './row-group-writer.js'

/** A collection of the parent backup: what it has need not be stored again. */
export interface ReusableCollection {
  readonly entry: CollectionEntry
  readonly catalogue: Catalogue
  readonly catalogueExtents: readonly PendingExtent[]
  /** Those of the base, and those that layers append, by id; only what is still there. */
  readonly rowGroups: ReadonlyMap<string, PendingRowGroup>
  /** All of it, to put a layer above; null when some of its objects are not there any more. */
  readonly whole: WholeCollection | null
}

export interface WholeCollection {
  readonly rowGroups: readonly PendingRowGroup[]
  readonly layers: readonly PendingLayer[]
  /** See {@link readIndex}. */
  readonly index: (signal: AbortSignal | undefined) => AsyncGenerator<readonly PlacedRow[]>
}

/**
 * What a backup may take over from its parent: row groups with the same index page, whose objects are all
 * there with their size. The session pins the parent meanwhile, and they are looked up again before the
 * commit.
 */
export class ParentBackup {
  readonly head: BackupHead
  readonly #contents: BackupContents
  readonly #entries: ReadonlyMap<string, CollectionEntry>
  readonly #byId: ReadonlyMap<string, CollectionEntry>
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
    this.#byId = new Map(contents.collections.map((entry) => [entry.id, entry]))
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

  /** The collection by its id, which outlives a rename, else by its name. */
  async collection(
    definition: Pick<CollectionDefinition, 'id' | 'tenant' | 'database' | 'name'>,
    signal?: AbortSignal,
  ): Promise<ReusableCollection | null> {
    const entry = this.#byId.get(definition.id) ?? this.#entries.get(displayName(definition))
    if (entry === undefined || entry.status === 'failed') return null
    try {
      const catalogue = await readCatalogue(this.#reader, this.#contents, entry, signal)
      const usable = await this.#present.indexesOf(catalogue.objects, signal)
      const groups = [...catalogue.rowGroups, ...catalogue.layers.flatMap(({ appends }) => appends)]
      const pending = groups.flatMap((group) => reusable(group, catalogue.objects, usable) ?? [])
      const lost = catalogue.objects.length - usable.size
      if (lost > 0) this.#warnOfLoss(entry, lost)
      return {
        entry,
        catalogue,
        catalogueExtents: pendingExtents(entry.catalogue, this.#contents.objects),
        rowGroups: new Map(pending.map((group) => [group.id, group])),
        whole: lost > 0 ? null : this.#whole(entry, catalogue),
      }
    } catch (error) {
      return warnOfDamage(error, this.#progress)
    }
  }

  #whole(entry: CollectionEntry, catalogue: Catalogue): WholeCollection {
    const collection = displayName(entry)
    return {
      rowGroups: catalogue.rowGroups.map((group) => pendingGroup(group, catalogue.objects)),
      layers: catalogue.layers.map((layer) => pendingLayer(layer, catalogue.objects)),
      index: (signal) => readIndex({ objects: this.#reader, catalogue, purpose: { collection, signal } }),
    }
  }

  #warnOfLoss(entry: CollectionEntry, lost: number): void {
    const message = `${lost} objects of ${displayName(entry)} in ${this.head.id} are not there any more: what they held is stored again`
    this.#progress.warn({ code: 'PARENT_DAMAGED', message })
  }
}

function reusable(
  group: RowGroup,
  objects: readonly ObjectReference[],
  usable: ReadonlySet<number>,
): PendingRowGroup | null {
  const extents = [...group.vectors, ...group.payload, ...group.index]
  return extents.every(([object]) => usable.has(object)) ? pendingGroup(group, objects) : null
}

function pendingGroup(group: RowGroup, objects: readonly ObjectReference[]): PendingRowGroup {
  return {
    ...group,
    vectors: pendingExtents(group.vectors, objects),
    payload: pendingExtents(group.payload, objects),
    index: pendingExtents(group.index, objects),
  }
}

function pendingLayer(layer: Layer, objects: readonly ObjectReference[]): PendingLayer {
  return {
    replacements: layer.replacements.map((group) => pendingGroup(group, objects)),
    places: pendingExtents(layer.places, objects),
    deleted: layer.deleted,
    tombstones: pendingExtents(layer.tombstones, objects),
    appends: layer.appends.map((group) => pendingGroup(group, objects)),
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
