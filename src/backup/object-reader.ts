import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

import { silentProgress, type Progress } from '../core/progress.js'
import { BlobNotFoundError } from '../storage/blob-store.js'
import { repositoryOf, type CipherFault } from './cipher.js'
import { ObjectDamagedError, type ObjectProblem } from './errors.js'
import { hashApart, type Hashed } from './hash-apart.js'
import { contentId, objectKey, sha256Hex, type Extent, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'

const CACHED_OBJECTS = 6
/** One of each kind that is read side by side. */
const CACHED_FOR_A_PURPOSE = 3

const unpack = promisify(gunzip)

/** Who reads, for messages. */
export interface ReadPurpose {
  /** Display name, null for what belongs to the whole backup. */
  readonly collection: string | null
  /** Objects that this purpose keeps in memory, apart from the reader's own; the oldest first. */
  readonly cache?: Map<string, Promise<Buffer>> | undefined
  /**
   * Memory as large as any object, of the caller's alone, that a whole object may be read into. It cannot be
   * used any more: that of the result can, when the result is not.
   */
  readonly memory?: Buffer | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ObjectReaderOptions {
  readonly repository: Repository
  /** The id of the backup that is read. */
  readonly backup: string
  readonly progress?: Progress
  /**
   * Objects of which pieces were read that are kept, for bundles hold pieces of many row groups, which are read
   * one after the other. Default: 6.
   */
  readonly cachedObjects?: number
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
  readonly #cachedObjects: number
  readonly #cache = new Map<string, Promise<Buffer>>()
  #reread = 0

  constructor({ repository, backup, progress = silentProgress, cachedObjects }: ObjectReaderOptions) {
    this.#repository = repository
    this.backup = backup
    this.#progress = progress
    this.#cachedObjects = cachedObjects ?? CACHED_OBJECTS
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
    const first = await hashed(await this.#fetch(key, purpose, purpose.memory), purpose.memory)
    if (matches(first, reference)) return first.bytes
    const second = await hashed(await this.#fetch(key, purpose))
    if (!matches(second, reference)) throw await this.#explain(second, reference, purpose)
    this.#reread++
    this.#progress.warn({
      code: 'OBJECT_REREAD',
      message: `${key} did not match its checksum when it was read first, but did the second time`,
    })
    return second.bytes
  }

  #cached(reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    const key = objectKey(reference)
    const cache = purpose.cache ?? this.#cache
    const plaintext = cache.get(key) ?? this.#open(reference, purpose)
    cache.delete(key)
    cache.set(key, plaintext)
    plaintext.catch(() => cache.delete(key))
    for (const oldest of cache.keys()) {
      if (cache.size <= (cache === this.#cache ? this.#cachedObjects : CACHED_FOR_A_PURPOSE)) break
      cache.delete(oldest)
    }
    return plaintext
  }

  async #open(reference: ObjectReference, purpose: ReadPurpose): Promise<Buffer> {
    const { cipher } = this.#repository
    const stored = await this.readStored(reference, purpose)
    const encoded = this.#decrypt(stored, reference, purpose)
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

  #decrypt(stored: Buffer, reference: ObjectReference, purpose: ReadPurpose): Buffer {
    const opened = this.#repository.cipher?.open({ kind: 'object', name: reference.id }, stored)
    if (opened === undefined) return stored
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

  async #fetch(key: string, purpose: ReadPurpose, memory?: Buffer): Promise<Buffer> {
    try {
      const { bytes } = await this.#repository.store.get(key, { memory, signal: purpose.signal })
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
      throw this.#damaged('missing', key, purpose, 'is missing', error)
    }
  }

  async #explain(
    { bytes: stored, sha256 }: Hashed,
    reference: ObjectReference,
    purpose: ReadPurpose,
  ): Promise<ObjectDamagedError> {
    const key = objectKey(reference)
    const other = await this.#keyOf(sha256, purpose)
    if (other !== null) return this.#damaged('swapped', key, purpose, `holds the bytes of ${other}`)
    const owner = repositoryOf(stored)
    if (owner !== null && owner !== this.#repository.id)
      return this.#damaged('foreign', key, purpose, `belongs to repository ${owner}`)
    const sizes = `has ${stored.length} bytes instead of ${reference.size}`
    if (stored.length === reference.size) return this.#damaged('altered', key, purpose, 'is altered')
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

/** Memory that the bytes fill, or that was given for them, is nobody else's. */
async function hashed(stored: Buffer, memory?: Buffer): Promise<Hashed> {
  const isAlone = stored.length === stored.buffer.byteLength || stored.buffer === memory?.buffer
  return isAlone ? hashApart(stored) : { bytes: stored, sha256: sha256Hex(stored) }
}

/** What a reference leads to has the right hash already: its writer, or the reference itself, is to blame. */
const FAULTS: Record<CipherFault, readonly [problem: ObjectProblem, detail: string]> = {
  'cut off': ['truncated', 'is too short to be encrypted'],
  'not encrypted': ['inconsistent', 'is not encrypted, as everything in this repository must be'],
  foreign: ['foreign', 'belongs to another repository'],
  renamed: ['swapped', 'was encrypted under another name'],
  forged: ['inconsistent', 'was not encrypted with the key of this repository'],
}

function matches({ bytes, sha256 }: Hashed, reference: ObjectReference): boolean {
  return bytes.length === reference.size && sha256 === reference.sha256
}
