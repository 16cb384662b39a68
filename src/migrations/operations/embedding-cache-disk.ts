import { hash } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'

import { asError, isErrno } from '../../core/errors.js'
import type { Warning } from '../../core/progress.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import { VectorIndex } from './vector-index.js'
import { listSegments, VectorSegment, type SegmentEntry } from './vector-segment.js'

export interface DiskCacheOptions {
  /** Made when the first vector is kept. */
  readonly directory: string
  /** The oldest vectors go when there are more bytes; default 2 GiB. */
  readonly maxBytes?: number
  /** Of one file; default 64 MiB, or a quarter of {@link maxBytes}. */
  readonly segmentBytes?: number
  /** What cannot be kept is made again by a later run, and paid again: no reason to stop, but to be told. */
  readonly onWarning?: (warning: Warning) => void
}

const MAX_BYTES = 2 * 1024 ** 3
const SEGMENT_BYTES = 64 * 1024 ** 2
/** Each is kept open. */
const MAX_SEGMENTS = 256

/**
 * Vectors in a folder that several processes may use at once; each writes files of its own, and sees those of
 * the others that were there when it began. Keys are SHA-256 of model and text: neither can be read from it.
 * An entry that is damaged or unfinished counts as not there.
 */
export class DiskEmbeddingCache implements EmbeddingCache {
  readonly #options: DiskCacheOptions
  readonly #segmentBytes: number
  readonly #segments: VectorSegment[] = []
  readonly #index = new VectorIndex()
  #loading: Promise<void> | undefined
  #own: Promise<VectorSegment> | undefined
  #closed = false
  #warned = false

  constructor(options: DiskCacheOptions) {
    this.#options = options
    const { maxBytes = MAX_BYTES } = options
    this.#segmentBytes = options.segmentBytes ?? Math.min(SEGMENT_BYTES, Math.ceil(maxBytes / 4))
  }

  async get(model: string, texts: readonly string[]): Promise<(Float32Array | null)[]> {
    await this.#load()
    const found: (Float32Array | null)[] = []
    for (const text of texts) found.push(await this.#find(keyOf(model, text)))
    return found
  }

  async put(model: string, texts: readonly string[], vectors: readonly Float32Array[]): Promise<void> {
    await this.#load()
    try {
      for (const [at, text] of texts.entries()) {
        const vector = vectors[at]
        // A provider may answer after the run has ended.
        if (vector === undefined || this.#closed) return
        const segment = await this.#writable()
        this.#remember(await segment.append(keyOf(model, text), vector), segment)
      }
    } catch (error) {
      this.#warn('cannot be kept', error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled([this.#loading, this.#own])
    await Promise.all(this.#segments.map((segment) => segment.close()))
    this.#segments.length = 0
  }

  async #find(key: Buffer): Promise<Float32Array | null> {
    const place = this.#index.get(key)
    const segment = place && this.#segments[place.segment]
    if (place === undefined || segment === undefined || this.#closed) return null
    return segment.read({ offset: place.offset, floats: place.floats, key })
  }

  #remember({ key, offset, floats }: SegmentEntry, segment: VectorSegment): void {
    this.#index.set(key, { segment: this.#segments.indexOf(segment), offset, floats })
  }

  #load(): Promise<void> {
    this.#loading ??= this.#loadSegments().catch((error: unknown) => this.#warn('cannot be read', error))
    return this.#loading
  }

  async #loadSegments(): Promise<void> {
    const { directory } = this.#options
    for (const name of await segmentsIn(directory)) {
      try {
        const segment = await VectorSegment.open(path.join(directory, name))
        this.#segments.push(segment)
        for await (const entry of segment.entries()) this.#remember(entry, segment)
      } catch (error) {
        // Another process has made room.
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
  }

  /** The file that this process writes to; a full one is followed by the next. One call after the other. */
  #writable(): Promise<VectorSegment> {
    const current = this.#own ?? Promise.resolve(null)
    this.#own = current.then((segment) =>
      segment !== null && segment.size < this.#segmentBytes ? segment : this.#begin(),
    )
    return this.#own
  }

  async #begin(): Promise<VectorSegment> {
    const { directory } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await this.#makeRoom()
    const segment = await VectorSegment.create(directory)
    this.#segments.push(segment)
    return segment
  }

  /** What is removed stays readable for those who have it open. */
  async #makeRoom(): Promise<void> {
    const { directory, maxBytes = MAX_BYTES } = this.#options
    const files: { readonly file: string; readonly bytes: number }[] = []
    for (const name of await segmentsIn(directory)) {
      const file = path.join(directory, name)
      const bytes = await sizeOf(file)
      if (bytes !== undefined) files.push({ file, bytes })
    }
    let total = files.reduce((sum, { bytes }) => sum + bytes, this.#segmentBytes)
    for (const [at, { file, bytes }] of files.entries()) {
      if (total <= maxBytes && files.length - at < MAX_SEGMENTS) return
      await rm(file, { force: true })
      total -= bytes
    }
  }

  #warn(what: string, thrown: unknown): void {
    if (this.#warned) return
    this.#warned = true
    const message = `embeddings ${what} in ${this.#options.directory}: ${asError(thrown).message}`
    this.#options.onWarning?.({ code: 'EMBEDDING_CACHE', message })
  }
}

function keyOf(model: string, text: string): Buffer {
  return Buffer.from(hash('sha256', `${model.length}:${model}${text}`, 'base64url'), 'base64url')
}

async function segmentsIn(directory: string): Promise<string[]> {
  try {
    return await listSegments(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
