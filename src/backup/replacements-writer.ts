import type { BatchDigests } from '../core/digest.js'
import type { RecordBatch } from '../core/records.js'
import type { RowRun } from './cut-row-groups.js'
import type { EditKind, ObjectAppends, PendingExtent } from './object-writer.js'
import { RowGroupWriter, type PendingLayer, type PendingRowGroup } from './row-group-writer.js'

/** Row groups of replacements are small, so that many layers can be read side by side. */
const GROUP_BYTES = 512 * 1024
const GROUP_ROWS = 512
const PIECE_BYTES = 512 * 1024

/** Stores the records of a layer that replace others, and their places. */
export class ReplacementsWriter {
  readonly #objects: ObjectAppends
  readonly #groups: PendingRowGroup[] = []
  readonly #places: Pieces
  #group: RowGroupWriter
  #payloadBytes = 0
  rows = 0

  constructor(objects: ObjectAppends) {
    this.#objects = objects
    this.#places = new Pieces(objects, 'places')
    this.#group = new RowGroupWriter(objects, 'layer-')
  }

  get payloadBytes(): number {
    return this.#payloadBytes + this.#group.payloadBytes
  }

  async add(
    batch: RecordBatch,
    digests: BatchDigests,
    { from, to, dimension }: RowRun,
    places: readonly number[],
  ): Promise<void> {
    const most = Math.max(1, Math.min(GROUP_ROWS, Math.floor(GROUP_BYTES / Math.max(1, dimension * 4))))
    for (let row = from; row < to;) {
      const end = Math.min(to, row + most - this.#group.rows)
      await this.#group.add(batch, digests, { from: row, to: end, dimension })
      row = end
      if (this.#group.rows >= most || this.#group.payloadBytes >= GROUP_BYTES) await this.#endGroup()
    }
    this.rows += places.length
    await this.#places.push(Buffer.from(Uint32Array.from(places).buffer))
  }

  async finish(): Promise<Pick<PendingLayer, 'replacements' | 'places'>> {
    if (this.#group.rows > 0) await this.#endGroup()
    return { replacements: this.#groups, places: await this.#places.finish() }
  }

  async #endGroup(): Promise<void> {
    this.#payloadBytes += this.#group.payloadBytes
    this.#groups.push(await this.#group.finish(() => undefined))
    this.#group = new RowGroupWriter(this.#objects, 'layer-')
  }
}

/** A run of bytes that grows by little pieces. */
export class Pieces {
  readonly #objects: ObjectAppends
  readonly #kind: EditKind
  readonly #extents: PendingExtent[] = []
  #pieces: Uint8Array[] = []
  #length = 0

  constructor(objects: ObjectAppends, kind: EditKind) {
    this.#objects = objects
    this.#kind = kind
  }

  async push(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece)
    this.#length += piece.length
    if (this.#length >= PIECE_BYTES) await this.#flush()
  }

  async finish(): Promise<readonly PendingExtent[]> {
    await this.#flush()
    return this.#extents
  }

  async #flush(): Promise<void> {
    this.#extents.push(...(await this.#objects.append(this.#kind, [Buffer.concat(this.#pieces)])))
    this.#pieces = []
    this.#length = 0
  }
}
