import type { RecordBatch } from '../core/records.js'
import type { BatchDigests } from '../core/digest.js'
import type { ObjectAppends } from './object-writer.js'
import { RowGroupBoundaries } from './row-group-boundaries.js'
import { RowGroupWriter, type PendingRowGroup } from './row-group-writer.js'

export interface RowGroupsOptions {
  readonly objects: ObjectAppends
  /** Row groups of the parent, by id, that need not be stored again. */
  readonly known: ReadonlyMap<string, PendingRowGroup>
}

/** Rows `from` to `to` (exclusive) of a batch; `dimension` is the collection's. */
export interface RowRun {
  readonly from: number
  readonly to: number
  readonly dimension: number
}

/** Cuts consecutive records into row groups as their ids say, so that what did not change is found again. */
export class RowGroupsWriter {
  readonly #options: RowGroupsOptions
  readonly #groups: PendingRowGroup[] = []
  #boundaries: RowGroupBoundaries | null = null
  #group: RowGroupWriter
  #payloadBytes = 0

  constructor(options: RowGroupsOptions) {
    this.#options = options
    this.#group = new RowGroupWriter(options.objects)
  }

  /** Bytes of JSON lines before compression. */
  get payloadBytes(): number {
    return this.#payloadBytes + this.#group.payloadBytes
  }

  async add(batch: RecordBatch, digests: BatchDigests, { from, to, dimension }: RowRun): Promise<void> {
    this.#boundaries ??= new RowGroupBoundaries(dimension, this.#options.objects.cipher)
    let first = from
    for (let row = from; row < to; row++) {
      if (!this.#boundaries.endsWith(batch.ids[row] ?? '')) continue
      await this.#group.add(batch, digests, { from: first, to: row + 1, dimension })
      await this.#endGroup()
      first = row + 1
    }
    if (first < to) await this.#group.add(batch, digests, { from: first, to, dimension })
  }

  async finish(): Promise<readonly PendingRowGroup[]> {
    if (this.#group.rows > 0) await this.#endGroup()
    return this.#groups
  }

  async #endGroup(): Promise<void> {
    this.#payloadBytes += this.#group.payloadBytes
    this.#groups.push(await this.#group.finish((id) => this.#options.known.get(id)))
    this.#group = new RowGroupWriter(this.#options.objects)
  }
}
