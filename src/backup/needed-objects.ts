import { parseBackupId } from './backup-id.js'
import { objectsOf } from './backup-objects.js'
import { ObjectDamagedError } from './errors.js'
import type { BackupHead } from './manifest.js'
import { objectKey } from './object-reference.js'
import type { Repository } from './repository.js'

/** A set of keys of objects. Memory: about 150 bytes for each. */
export class ObjectKeys {
  readonly #byOwner = new Map<string, Set<string>>()
  /** Catalogues that are in the set with everything they name. */
  readonly #catalogues = new Set<string>()

  has(key: string): boolean {
    const [owner, name] = split(key)
    return this.#byOwner.get(owner)?.has(name) ?? false
  }

  /**
   * Adds whatever a backup needs. Resolves with what keeps that from being known, else with null; then the set is
   * not complete.
   */
  async addObjectsOf(
    repository: Repository,
    head: BackupHead,
    signal: AbortSignal | undefined,
  ): Promise<ObjectDamagedError | null> {
    const options = { skip: this.#catalogues, signal }
    try {
      for await (const reference of objectsOf(repository, head, options)) this.#add(objectKey(reference))
      return null
    } catch (error) {
      if (error instanceof ObjectDamagedError) return error
      throw error
    }
  }

  #add(key: string): void {
    const [owner, name] = split(key)
    const names = this.#byOwner.get(owner) ?? new Set()
    names.add(name)
    this.#byOwner.set(owner, names)
  }
}

/** The backup that wrote an object; null when the key is not that of an object, but somebody else's file. */
export function ownerOf(key: string): string | null {
  const owner = /^objects\/([^/]+)\/[0-9a-f]+\.[0-9a-f]{64}$/.exec(key)?.[1]
  return owner === undefined || parseBackupId(owner) === null ? null : owner
}

function split(key: string): readonly [owner: string, name: string] {
  const at = key.indexOf('/', OBJECTS.length)
  return [key.slice(OBJECTS.length, at), key.slice(at + 1)]
}

const OBJECTS = 'objects/'
