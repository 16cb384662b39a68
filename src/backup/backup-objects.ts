import { readCatalogue } from './catalogue-reader.js'
import { readContents } from './contents.js'
import { ObjectDamagedError } from './errors.js'
import { readFileTable } from './file-table.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import { objectKey, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'

export interface BackupObjectsOptions {
  /**
   * Told what cannot be read; what it leads to is left out. Absent: damage rejects, for whoever removes what
   * nobody needs must know of everything that somebody needs.
   */
  readonly onDamage?: ((damage: ObjectDamagedError) => void) | undefined
  /** Catalogues of which the objects are known already, and are left out; those that are read are added. */
  readonly skip?: Set<string> | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Every object that a backup needs, layers included; one at a time, some more than once. Memory: one catalogue.
 * Rejects with an {@link ObjectDamagedError} or an error of the store.
 */
export async function* objectsOf(
  repository: Repository,
  head: BackupHead,
  { onDamage, skip, signal }: BackupObjectsOptions = {},
): AsyncGenerator<ObjectReference> {
  const unlessDamaged = async <T>(reading: Promise<T>): Promise<T | null> => {
    try {
      return await reading
    } catch (error) {
      if (onDamage === undefined || !(error instanceof ObjectDamagedError)) throw error
      onDamage(error)
      return null
    }
  }
  yield* head.contents.objects
  const reader = new ObjectReader({ repository, backup: head.id })
  const contents = await unlessDamaged(readContents(repository, head, signal))
  if (contents === null) return
  yield* contents.objects
  if (contents.files !== undefined) {
    const table = await unlessDamaged(readFileTable(reader, head, contents, signal))
    yield* table?.objects ?? []
    return
  }
  for (const entry of contents.collections) {
    if (entry.status === 'failed') continue
    const place = placeOf(contents, entry)
    if (skip?.has(place) === true) continue
    const catalogue = await unlessDamaged(readCatalogue(reader, contents, entry, signal))
    yield* catalogue?.objects ?? []
    if (catalogue !== null) skip?.add(place)
  }
}

/** Where a catalogue is stored: backups in which nothing has changed share it. */
function placeOf({ objects }: BackupContents, { catalogue }: CollectionEntry): string {
  return catalogue
    .map(([index, offset, length]) => {
      const reference = objects[index]
      return reference === undefined ? '' : `${objectKey(reference)}:${offset}:${length}`
    })
    .join(' ')
}
