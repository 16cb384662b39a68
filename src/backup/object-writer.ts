import { webcrypto } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

import { throwIfAborted } from '../core/errors.js'
import { CIPHER_BYTES, type RepositoryCipher } from './cipher.js'
import { hashApart } from './hash-apart.js'
import type { LeftObjects } from './left-objects.js'
import { Bundle, SMALLEST_BUNDLE, type PendingObject } from './object-bundle.js'
import {
  contentId,
  MAX_OBJECT_BYTES,
  objectKey,
  sha256Hex,
  type Encoding,
  type ObjectReference,
} from './object-reference.js'
import type { Repository } from './repository.js'

/** Pieces below this share objects with others of their kind: few large objects cost less than many small. */
const BUNDLED_BELOW = 2 * 1024 * 1024
const BUNDLE_BYTES = 4 * 1024 * 1024
const LAYER_BUNDLE_BYTES = 1024 * 1024
const NEARLY_FULL = 0.75
/** Plaintext of the objects on their way; bounds memory where objects are large. */
const BYTES_ON_THEIR_WAY = 16 * 1024 * 1024

/** What an object holds; objects hold one kind only, so that each is a plain format by itself. */
export type ObjectKind =
  'vectors' | 'payload' | 'index' | 'catalogue' | 'contents' | 'blocks' | ReplacementKind | EditKind

/** As without `layer-`, in smaller objects: whoever reads many layers at once has one object of each in memory. */
export type ReplacementKind = 'layer-vectors' | 'layer-payload' | 'layer-index'

export type EditKind = 'places' | 'tombstones'

const ENCODINGS: Record<ObjectKind, Encoding> = {
  vectors: 'raw',
  payload: 'gzip',
  index: 'raw',
  catalogue: 'gzip',
  contents: 'gzip',
  blocks: 'raw',
  'layer-vectors': 'raw',
  'layer-payload': 'gzip',
  'layer-index': 'raw',
  places: 'raw',
  tombstones: 'raw',
}

/** Bundles of a kind are as large as this, at most. */
const BUNDLES: Partial<Record<ObjectKind, number>> = {
  blocks: MAX_OBJECT_BYTES,
  'layer-vectors': LAYER_BUNDLE_BYTES,
  'layer-payload': LAYER_BUNDLE_BYTES,
  'layer-index': LAYER_BUNDLE_BYTES,
}

const pack = promisify(gzip)

export type { PendingObject } from './object-bundle.js'

/** Where pieces of plaintext go. */
export type ObjectAppends = Pick<ObjectWriter, 'append' | 'cipher'>

/** An extent of an object that may not be stored yet. */
export interface PendingExtent {
  readonly object: PendingObject
  readonly offset: number
  readonly length: number
}

export interface ObjectWriterOptions {
  readonly repository: Repository
  readonly backup: string
  /** Objects hashed, compressed and stored at the same time. */
  readonly concurrency: number
  /** Plaintext of them at most, beside one object; bounds memory. Default: 16 MiB. */
  readonly bytesOnTheirWay?: number
  /** What killed runs have stored, and need not be stored again. */
  readonly left?: LeftObjects | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Stores pieces of plaintext as objects. {@link append} waits while as many objects as allowed are on their
 * way; a failed one is reported by the next call of any method.
 */
export class ObjectWriter {
  readonly #options: ObjectWriterOptions
  readonly #open = new Map<ObjectKind, Bundle>()
  readonly #onTheirWay = new Set<Promise<void>>()
  readonly #stored = new Map<string, ObjectReference>()
  /** Whole buffers of blocks that have been stored. */
  readonly #spare: Buffer[] = []
  #failure: { readonly error: unknown } | null = null
  #bytesOnTheirWay = 0
  #addedBytes = 0
  #resumed = { objects: 0, bytes: 0 }

  constructor(options: ObjectWriterOptions) {
    this.#options = options
  }

  /** Of the repository; null: it is not encrypted. */
  get cipher(): RepositoryCipher | null {
    return this.#options.repository.cipher
  }

  /** Stored bytes so far. */
  get addedBytes(): number {
    return this.#addedBytes
  }

  /** What killed runs had stored already. */
  get resumed(): { readonly objects: number; readonly bytes: number } {
    return this.#resumed
  }

  /**
   * `pieces` belong together and must not be changed afterwards; those of blocks are copied at once. `ends`: an object
   * that is nearly full ends here, so that after a change the objects soon are the same again.
   */
  async append(
    kind: ObjectKind,
    pieces: readonly Uint8Array[],
    ends = false,
  ): Promise<readonly PendingExtent[]> {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (length === 0) return []
    if (length < BUNDLED_BELOW || kind === 'blocks') return [await this.#bundle(kind, pieces, length, ends)]
    const plaintext = joined(pieces)
    const extents: PendingExtent[] = []
    for (let at = 0; at < length; at += MAX_OBJECT_BYTES) {
      const part = plaintext.subarray(at, at + MAX_OBJECT_BYTES)
      const object: PendingObject = { reference: null }
      await this.#start(kind, object, part)
      extents.push({ object, offset: 0, length: part.length })
    }
    return extents
  }

  /** Stores what is still being collected and waits until everything is durable. */
  async finish(): Promise<void> {
    for (const kind of [...this.#open.keys()]) await this.#seal(kind)
    await Promise.all(this.#onTheirWay)
    this.#throwFailure()
  }

  /** Waits until nothing is on its way any more, whatever became of it. */
  async settle(): Promise<void> {
    this.#open.clear()
    await Promise.all(this.#onTheirWay)
  }

  async #bundle(
    kind: ObjectKind,
    pieces: readonly Uint8Array[],
    length: number,
    ends: boolean,
  ): Promise<PendingExtent> {
    // A loop: while one collection waits here, another may fill the next bundle.
    const most = Math.max(BUNDLES[kind] ?? BUNDLE_BYTES, length)
    while ((this.#open.get(kind)?.length ?? 0) + length > most) await this.#seal(kind)
    const bundle = this.#open.get(kind) ?? new Bundle(most, this.#bufferFor(kind))
    this.#open.set(kind, bundle)
    const extent = { object: bundle.object, offset: bundle.length, length }
    bundle.add(pieces)
    if (ends && bundle.length >= NEARLY_FULL * most) await this.#seal(kind)
    return extent
  }

  async #seal(kind: ObjectKind): Promise<void> {
    const bundle = this.#open.get(kind)
    if (bundle === undefined) return
    this.#open.delete(kind)
    await this.#start(kind, bundle.object, bundle.bytes())
  }

  /** Blocks fill their bundles, one after the other, in the same memory: new memory would have to be zeroed and freed. */
  #bufferFor(kind: ObjectKind): Buffer {
    if (kind !== 'blocks') return Buffer.allocUnsafeSlow(SMALLEST_BUNDLE)
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(MAX_OBJECT_BYTES)
  }

  #isFull(): boolean {
    const objects = this.#onTheirWay.size
    return (
      objects > 0 &&
      (objects >= this.#options.concurrency ||
        this.#bytesOnTheirWay >= (this.#options.bytesOnTheirWay ?? BYTES_ON_THEIR_WAY))
    )
  }

  async #start(kind: ObjectKind, object: PendingObject, plaintext: Uint8Array): Promise<void> {
    while (this.#isFull()) await Promise.race(this.#onTheirWay)
    this.#throwFailure()
    throwIfAborted(this.#options.signal)
    const { length } = plaintext
    const work = this.#storeKind(kind, object, plaintext)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#onTheirWay.delete(work)
        this.#bytesOnTheirWay -= length
      })
    this.#onTheirWay.add(work)
    this.#bytesOnTheirWay += length
  }

  async #storeKind(kind: ObjectKind, object: PendingObject, plaintext: Uint8Array): Promise<void> {
    if (kind !== 'blocks') {
      await this.#store(ENCODINGS[kind], object, plaintext, await sha256Of(plaintext))
      return
    }
    // A buffer that only we use.
    const { buffer, byteOffset, length } = plaintext
    const { bytes, sha256 } = await hashApart(Buffer.from(buffer, byteOffset, length))
    await this.#store(ENCODINGS[kind], object, bytes, sha256)
    this.#spare.push(Buffer.from(bytes.buffer))
  }

  async #store(
    encoding: Encoding,
    object: PendingObject,
    plaintext: Uint8Array,
    plaintextSha256: string,
  ): Promise<void> {
    const { repository, backup, signal } = this.#options
    const { store, cipher } = repository
    const id = cipher?.contentId(plaintextSha256) ?? contentId(plaintextSha256)
    const encoded = encoding === 'raw' ? plaintext : await pack(plaintext, { level: 1 })
    const common = { id, length: plaintext.length, encoding }
    if (cipher !== null && this.#takeOver(object, common, encoded.length + CIPHER_BYTES, null)) return
    const stored = cipher?.seal({ kind: 'object', name: id }, encoded) ?? encoded
    const sha256 = stored === plaintext ? plaintextSha256 : await sha256Of(stored)
    if (cipher === null && this.#takeOver(object, common, stored.length, sha256)) return
    const reference = { backup, sha256, size: stored.length, ...common }
    object.reference = reference
    const key = objectKey(reference)
    // Two collections may hold the same bytes.
    if (this.#stored.has(key)) return
    this.#stored.set(key, reference)
    await store.put(key, stored, signal)
    this.#addedBytes += stored.length
  }

  /** An object that a killed run has stored stands for the new one. `sha256` null: the name does not tell. */
  #takeOver(
    object: PendingObject,
    common: Pick<ObjectReference, 'id' | 'length' | 'encoding'>,
    size: number,
    sha256: string | null,
  ): boolean {
    const found = this.#options.left?.find({ id: common.id, size, sha256 }) ?? null
    if (found === null) return false
    const reference = { ...common, ...found }
    object.reference = reference
    const key = objectKey(reference)
    if (!this.#stored.has(key)) {
      this.#resumed = { objects: this.#resumed.objects + 1, bytes: this.#resumed.bytes + size }
    }
    this.#stored.set(key, reference)
    return true
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}

/** Large ones by another thread, while this one goes on. */
async function sha256Of(bytes: Uint8Array): Promise<string> {
  if (bytes.length < HASHED_APART) return sha256Hex(bytes)
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex')
}

const HASHED_APART = 1024 * 1024

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
}
