import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

import { silentProgress, type Progress } from '../core/progress.js'
import { BlobNotFoundError } from '../storage/blob-store.js'
import { repositoryOf, type CipherFault } from './cipher.js'
import { ObjectDamagedError, type ObjectProblem } from './errors.js'
import { contentId, objectKey, sha256Hex, type Extent, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'

/** Bundles hold pieces of many row groups, which are read one after the other. */
const CACHED_OBJECTS = 6

const unpack = promisify(gunzip)

/** Who reads, for messages. */
export interface ReadPurpose {
  /** Display name, null for what belongs to the whole backup. */
  readonly collection: string | null
  readonly signal?: AbortSignal | undefined
}

export interface ObjectReaderOptions {
  readonly repository: Repository
  /** The id of the backup that is read. */
  readonly backup: string
  readonly progress?: Progress
}

/**
 * Reads stored objects and verifies each: size, SHA-256, length and content id. One that does not match is
 * read once more, for the network and the disk err too; if that helps, a warning is given and counted.
 * Rejects with {@link ObjectDamagedError} or a StoreError.
 */
export class ObjectReader {
  /** The id of the backup that is read. */
  readonly backup: string
  readonly #repository: Repository
  readonly #progress: Progress
  readonly #cache = new Map<string, Promise<Buffer>>()
  #reread = 0

  constructor({ repository, backup, progress = silentProgress }: ObjectReaderOptions) {
    this.#repository = repository
    this.backup = backup
    this.#progress = progress
  }

  /** Objects that matched only when they were read a second time. */
  get rereadObjects(): number {
    return this.#reread
  }

  /** The plaintext that the extents describe. The result may share memory with a cached object. */
  async readExtents(
    objects: readonly ObjectReference[],
    extents: readonly Extent[],
    purpose: ReadPurpose,
  ): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (const [index, offset, length] of extents) {
      const reference = objects[index]
      if (reference === undefined || offset + length > reference.length) {
        const key = reference === undefined ? `object ${index}` : objectKey(reference)
        throw this.#damaged('inconsistent', key, purpose, 'is addressed beyond its end')
      }
      const whole = offset === 0 && length === reference.length
      const plaintext = await (whole ? this.#open(reference, purpose) : this.#cached(reference, purpose))
      pieces.push(plaintext.subarray(offset, offset + length))
    }
    const [only] = pieces
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
  }

  /** The stored bytes, after size and SHA-256 were found right. */
  async readStored(reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    const key = objectKey(reference)
    const first = await this.#fetch(key, purpose)
    if (matches(first, reference)) return first
    const second = await this.#fetch(key, purpose)
    if (!matches(second, reference)) throw await this.#explain(second, reference, purpose)
    this.#reread++
    this.#progress.warn({
      code: 'OBJECT_REREAD',
      message: `${key} did not match its checksum when it was read first, but did the second time`,
    })
    return second
  }

  #cached(reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    const key = objectKey(reference)
    const plaintext = this.#cache.get(key) ?? this.#open(reference, purpose)
    this.#cache.delete(key)
    this.#cache.set(key, plaintext)
    plaintext.catch(() => this.#cache.delete(key))
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED_OBJECTS) break
      this.#cache.delete(oldest)
    }
    return plaintext
  }

  async #open(reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    const { cipher } = this.#repository
    const stored = await this.readStored(reference, purpose)
    const encoded = cipher === null ? stored : await this.#decrypt(stored, reference, purpose)
    const plaintext = reference.encoding === 'raw' ? encoded : await this.#unpack(encoded, reference, purpose)
    // What is decrypted is authentic together with its content id.
    const isContent = cipher !== null || this.#hasContent(plaintext, reference)
    if (plaintext.length !== reference.length || !isContent) {
      throw this.#damaged('inconsistent', objectKey(reference), purpose, 'does not have the content it names')
    }
    return plaintext
  }

  #hasContent(plaintext: Buffer, { encoding, sha256, id }: ObjectReference): boolean {
    return contentId(encoding === 'raw' ? sha256 : sha256Hex(plaintext)) === id
  }

  async #decrypt(stored: Buffer, reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    const { cipher } = this.#repository
    const opened = await cipher?.open({ kind: 'object', name: reference.id }, stored)
    if (opened === undefined) throw new Error('no cipher')
    if ('plaintext' in opened) return opened.plaintext
    const [problem, detail] = FAULTS[opened.fault]
    throw this.#damaged(problem, objectKey(reference), purpose, detail)
  }

  async #unpack(stored: Buffer, reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    try {
      return await unpack(stored, { maxOutputLength: Math.max(reference.length, 1) })
    } catch (error) {
      throw this.#damaged('inconsistent', objectKey(reference), purpose, 'cannot be unpacked', error)
    }
  }

  async #fetch(key: string, purpose: ReadPurpose): Promise<Buffer> {
    try {
      const { bytes } = await this.#repository.store.get(key, { signal: purpose.signal })
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
      throw this.#damaged('missing', key, purpose, 'is missing', error)
    }
  }

  async #explain(
    stored: Buffer,
    reference: ObjectReference,
    purpose: ReadPurpose,
  ): Promise<ObjectDamagedError> {
    const key = objectKey(reference)
    const other = await this.#keyOf(sha256Hex(stored), purpose)
    if (other !== null) return this.#damaged('swapped', key, purpose, `holds the bytes of ${other}`)
    const owner = repositoryOf(stored)
    if (owner !== null && owner !== this.#repository.id)
      return this.#damaged('foreign', key, purpose, `belongs to repository ${owner}`)
    if (stored.length === reference.size) return this.#damaged('altered', key, purpose, 'is altered')
    const sizes = `has ${stored.length} bytes instead of ${reference.size}`
    return this.#damaged(stored.length < reference.size ? 'truncated' : 'altered', key, purpose, sizes)
  }

  /** Lists everything, but only when something is wrong already. */
  async #keyOf(sha256: string, purpose: ReadPurpose): Promise<string | null> {
    for await (const { key } of this.#repository.store.list('objects/', purpose.signal)) {
      if (key.endsWith(`.${sha256}`)) return key
    }
    return null
  }

  #damaged(problem: ObjectProblem, key: string, purpose: ReadPurpose, detail: string, cause?: unknown) {
    const damage = { key, backup: this.backup, collection: purpose.collection }
    return new ObjectDamagedError(problem, damage, detail, cause)
  }
}

/** What a reference leads to has the right hash already: its writer, or the reference itself, is to blame. */
const FAULTS: Record<CipherFault, readonly [problem: ObjectProblem, detail: string]> = {
  'cut off': ['truncated', 'is too short to be encrypted'],
  'not encrypted': ['inconsistent', 'is not encrypted, as everything in this repository must be'],
  foreign: ['foreign', 'belongs to another repository'],
  renamed: ['swapped', 'was encrypted under another name'],
  forged: ['inconsistent', 'was not encrypted with the key of this repository'],
}

function matches(stored: Buffer, { size, sha256 }: ObjectReference): boolean {
  return stored.length === size && sha256Hex(stored) === sha256
}
