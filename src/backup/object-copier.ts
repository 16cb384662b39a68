import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

import { mapInOrder } from '../core/map-in-order.js'
import type { Progress } from '../core/progress.js'
import { ObjectDamagedError } from './errors.js'
import { ObjectReader } from './object-reader.js'
import { contentId, objectKey, objectPrefix, sha256Hex, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'

const pack = promisify(gzip)

export interface ObjectCopierOptions {
  readonly from: Repository
  readonly to: Repository
  /** The stored bytes stay as they are: both are plain, or the same repository with the same key. */
  readonly verbatim: boolean
  /** Objects under way at once. */
  readonly concurrency: number
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

interface Present {
  readonly sha256: string
  readonly size: number
}

/**
 * Copies stored objects between repositories. Each is verified when it is read, and one that is there already is
 * not written again. Memory: the references of all objects that were copied.
 */
export class ObjectCopier {
  readonly #options: ObjectCopierOptions
  readonly #copied = new Map<string, ObjectReference>()
  readonly #present = new Map<string, Promise<ReadonlyMap<string, readonly Present[]>>>()
  #objects = 0
  #bytes = 0

  constructor(options: ObjectCopierOptions) {
    this.#options = options
  }

  /** Written so far. */
  get written(): { readonly objects: number; readonly bytes: number } {
    return { objects: this.#objects, bytes: this.#bytes }
  }

  /** Copies what is not there yet; rejects with an {@link ObjectDamagedError} or an error of a store. */
  async copyAll(backup: string, references: AsyncIterable<ObjectReference>): Promise<void> {
    const { from, concurrency, progress, signal } = this.#options
    const reader = new ObjectReader({ repository: from, backup, progress })
    const results = mapInOrder(
      this.#unknown(references),
      concurrency,
      (reference, stop) => this.#copy(reader, reference, stop),
      signal,
    )
    for await (const written of results) {
      if (!written) continue
      progress.update({
        task: backup,
        phase: 'write',
        done: this.#objects,
        unit: 'objects',
        bytes: this.#bytes,
      })
    }
  }

  async copyEach(backup: string, references: readonly ObjectReference[]): Promise<ObjectReference[]> {
    await this.copyAll(backup, iterate(references))
    return references.map((reference) => {
      const copied = this.#copied.get(objectKey(reference))
      if (copied === undefined) throw new Error('an object that was not copied')
      return copied
    })
  }

  async *#unknown(references: AsyncIterable<ObjectReference>): AsyncGenerator<ObjectReference> {
    const asked = new Set<string>()
    for await (const reference of references) {
      const key = objectKey(reference)
      if (this.#copied.has(key) || asked.has(key)) continue
      asked.add(key)
      yield reference
    }
  }

  async #copy(reader: ObjectReader, reference: ObjectReference, signal: AbortSignal): Promise<boolean> {
    const { to, verbatim } = this.#options
    const key = objectKey(reference)
    const present = await this.#presentOf(reference.backup)
    if (verbatim) {
      const { id, sha256, size } = reference
      const isThere = present.get(id)?.some((each) => each.sha256 === sha256 && each.size === size) ?? false
      if (!isThere)
        await this.#put(key, await reader.readStored(reference, { collection: null, signal }), signal)
      this.#copied.set(key, reference)
      return !isThere
    }
    const plaintext = await reader.readExtents([reference], [[0, 0, reference.length]], {
      collection: null,
      signal,
    })
    const sha256 = sha256Hex(plaintext)
    const id = to.cipher?.contentId(sha256) ?? contentId(sha256)
    const known = await this.#findPresent({ ...reference, id }, present.get(id) ?? [], signal)
    if (known !== null) {
      this.#copied.set(key, known)
      return false
    }
    const encoded = reference.encoding === 'raw' ? plaintext : await pack(plaintext, { level: 1 })
    const stored = to.cipher?.seal({ kind: 'object', name: id }, encoded) ?? encoded
    const copied = { ...reference, id, sha256: sha256Hex(stored), size: stored.length }
    await this.#put(objectKey(copied), stored, signal)
    this.#copied.set(key, copied)
    return true
  }

  /** What an earlier run has written, if it is whole. */
  async #findPresent(
    wanted: ObjectReference,
    candidates: readonly Present[],
    signal: AbortSignal,
  ): Promise<ObjectReference | null> {
    const reader = new ObjectReader({ repository: this.#options.to, backup: wanted.backup })
    for (const candidate of candidates) {
      const reference = { ...wanted, ...candidate }
      try {
        await reader.readExtents([reference], [[0, 0, reference.length]], { collection: null, signal })
        return reference
      } catch (error) {
        // Not whole: it is written anew, under another name.
        if (!(error instanceof ObjectDamagedError)) throw error
      }
    }
    return null
  }

  async #put(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#options.to.store.put(key, bytes, signal)
    this.#objects++
    this.#bytes += bytes.length
  }

  /** By content id, what the objects of a backup are in the other repository. */
  #presentOf(backup: string): Promise<ReadonlyMap<string, readonly Present[]>> {
    const known = this.#present.get(backup) ?? this.#list(backup)
    this.#present.set(backup, known)
    return known
  }

  async #list(backup: string): Promise<ReadonlyMap<string, readonly Present[]>> {
    const { to, signal } = this.#options
    const prefix = objectPrefix(backup)
    const found = new Map<string, Present[]>()
    for await (const { key, size } of to.store.list(prefix, signal)) {
      const [, id, sha256] = /^([0-9a-f]{32})\.([0-9a-f]{64})$/.exec(key.slice(prefix.length)) ?? []
      if (id === undefined || sha256 === undefined) continue
      const others = found.get(id) ?? []
      others.push({ sha256, size })
      found.set(id, others)
    }
    return found
  }
}

async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
