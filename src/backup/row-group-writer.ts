import { createHash } from 'node:crypto'

import type { BatchDigests } from '../core/digest.js'
import type { RecordBatch } from '../core/records.js'
import { encodeIndexRows } from './index-page.js'
import { MAX_OBJECT_BYTES, contentId } from './object-reference.js'
import type { ObjectKind, ObjectAppends, PendingExtent } from './object-writer.js'
import { encodePayload } from './payload-lines.js'

/** Consecutive rows, by number within their row group: first row and how many. */
export type RowRange = readonly [first: number, rows: number]

/** A row group whose objects may not all be stored yet. */
export interface PendingRowGroup {
  /** First 32 digits of the SHA-256 of the index page: equal ids mean equal records in equal order. */
  readonly id: string
  readonly rows: number
  /** Rows whose vector the source had lost; zeros are stored for them. */
  readonly missing: readonly RowRange[]
  readonly vectors: readonly PendingExtent[]
  readonly payload: readonly PendingExtent[]
  readonly index: readonly PendingExtent[]
}

/** A layer, see `Layer`, of which not all objects may be stored yet. */
export interface PendingLayer {
  readonly replacements: readonly PendingRowGroup[]
  readonly places: readonly PendingExtent[]
  readonly deleted: number
  readonly tombstones: readonly PendingExtent[]
  readonly appends: readonly PendingRowGroup[]
}

/** Collects the rows of one row group. */
export class RowGroupWriter {
  readonly #vectors: Section
  readonly #payload: Section
  readonly #index: Section
  readonly #hash = createHash('sha256')
  readonly #missing: [first: number, rows: number][] = []
  #rows = 0

  /** `prefix`: which objects take it, see `ReplacementKind`. */
  constructor(objects: ObjectAppends, prefix: '' | 'layer-' = '') {
    this.#vectors = new Section(objects, `${prefix}vectors`)
    this.#payload = new Section(objects, `${prefix}payload`)
    this.#index = new Section(objects, `${prefix}index`)
  }

  get rows(): number {
    return this.#rows
  }

  /** Bytes of JSON lines before compression. */
  get payloadBytes(): number {
    return this.#payload.bytes
  }

  /** Adds rows `from` to `to` (exclusive) of a batch; `dimension` is the collection's. */
  async add(
    batch: RecordBatch,
    digests: BatchDigests,
    rows: { readonly from: number; readonly to: number; readonly dimension: number },
  ): Promise<void> {
    const { from, to, dimension } = rows
    const index = encodeIndexRows(batch.ids, digests, from, to)
    this.#hash.update(index)
    await this.#index.push(index)
    await this.#vectors.push(vectorBytes(batch, from, to, dimension))
    for (const piece of encodePayload(batch, from, to)) await this.#payload.push(piece)
    for (const row of batch.missingEmbeddings) if (row >= from && row < to) this.#markMissing(row - from)
    this.#rows += to - from
  }

  /** `find` gives the same row group of an earlier backup, of which nothing needs to be stored again. */
  async finish(find: (id: string) => PendingRowGroup | undefined): Promise<PendingRowGroup> {
    const id = contentId(this.#hash.digest('hex'))
    return (
      find(id) ?? {
        id,
        rows: this.#rows,
        missing: this.#missing,
        vectors: await this.#vectors.finish(),
        payload: await this.#payload.finish(),
        index: await this.#index.finish(),
      }
    )
  }

  #markMissing(offset: number): void {
    const row = this.#rows + offset
    const last = this.#missing.at(-1)
    if (last !== undefined && last[0] + last[1] === row) last[1]++
    else this.#missing.push([row, 1])
  }
}

/** One of the three parts of a row group. Kept back until the group ends, unless it grows too large. */
class Section {
  readonly #objects: ObjectAppends
  readonly #kind: ObjectKind
  readonly #extents: PendingExtent[] = []
  #pieces: Uint8Array[] = []
  #length = 0
  #bytes = 0

  constructor(objects: ObjectAppends, kind: ObjectKind) {
    this.#objects = objects
    this.#kind = kind
  }

  get bytes(): number {
    return this.#bytes
  }

  async push(piece: Uint8Array): Promise<void> {
    if (this.#length > 0 && this.#length + piece.length > MAX_OBJECT_BYTES) await this.#flush()
    this.#pieces.push(piece)
    this.#length += piece.length
    this.#bytes += piece.length
  }

  async finish(): Promise<readonly PendingExtent[]> {
    await this.#flush()
    return this.#extents
  }

  async #flush(): Promise<void> {
    const pieces = this.#pieces
    this.#pieces = []
    this.#length = 0
    this.#extents.push(...(await this.#objects.append(this.#kind, pieces)))
  }
}

function vectorBytes(batch: RecordBatch, from: number, to: number, dimension: number): Uint8Array {
  // A batch without any vector may not know the dimension; its rows are zeros, and marked as missing.
  if (batch.dimension !== dimension) return new Uint8Array((to - from) * dimension * 4)
  const { buffer, byteOffset } = batch.embeddings
  return new Uint8Array(buffer, byteOffset + from * dimension * 4, (to - from) * dimension * 4)
}
