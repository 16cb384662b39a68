import { DIGEST_BYTES, type BatchDigests } from '../core/digest.js'
import type { RecordBatch } from '../core/records.js'
import { RowGroupsWriter } from './cut-row-groups.js'
import { encodeTombstone } from './layer-edits.js'
import type { ObjectAppends } from './object-writer.js'
import { payloadLength } from './payload-lines.js'
import type { PlacedRow } from './read-index.js'
import { Pieces, ReplacementsWriter } from './replacements-writer.js'
import type { PendingLayer, PendingRowGroup } from './row-group-writer.js'

/** More changed than a layer may hold. */
export class LayerTooLargeError extends Error {}

export interface LayerWriterJob {
  readonly objects: ObjectAppends
  /** The records of the parent, in order. */
  readonly earlier: AsyncGenerator<readonly PlacedRow[]>
  readonly known: ReadonlyMap<string, PendingRowGroup>
  /** Rows that may be replaced or deleted. */
  readonly room: number
}

/**
 * Compares a collection with its state in the parent, record by record in the order of both, and stores what is not
 * the same. What the source has is told apart by one rule: rows of the parent are skipped, and so deleted, until the
 * id matches; where none does, the record is new. That gives the records of the source in its order, whatever
 * happened to them, and little is stored as long as records stay in their order, as Chroma keeps them. Memory: one
 * page of the parent's index.
 */
export class LayerWriter {
  readonly #job: LayerWriterJob
  readonly #earlier: EarlierRows
  readonly #appends: RowGroupsWriter
  readonly #replacements: ReplacementsWriter
  readonly #tombstones: Pieces
  #deleted = 0
  /** Of rows that are as they were. */
  #sameBytes = 0

  constructor(job: LayerWriterJob) {
    this.#job = job
    this.#earlier = new EarlierRows(job.earlier)
    this.#appends = new RowGroupsWriter(job)
    this.#replacements = new ReplacementsWriter(job.objects)
    this.#tombstones = new Pieces(job.objects, 'tombstones')
  }

  /** Of all rows, as JSON lines before compression. */
  get payloadBytes(): number {
    return this.#sameBytes + this.#replacements.payloadBytes + this.#appends.payloadBytes
  }

  /** Rejects with a {@link LayerTooLargeError}, or with what reading the parent rejects with. */
  async add(batch: RecordBatch, digests: BatchDigests, dimension: number): Promise<void> {
    let from = 0
    let kind: RowKind | null = null
    let places: number[] = []
    const endRun = async (to: number) => {
      const run = { from, to, dimension }
      if (kind === 'new') await this.#appends.add(batch, digests, run)
      if (kind === 'changed') await this.#replacements.add(batch, digests, run, places)
      from = to
      places = []
    }
    for (const [row, id] of batch.ids.entries()) {
      const earlier = await this.#find(id)
      const now = kindOf(earlier, digests, row)
      if (now !== kind) await endRun(row)
      kind = now
      if (now === 'changed' && earlier !== undefined) places.push(earlier.place)
      if (now === 'same') this.#sameBytes += payloadLength(batch, row)
    }
    await endRun(batch.ids.length)
    this.#checkRoom()
  }

  /** Null when nothing changed. */
  async finish(): Promise<PendingLayer | null> {
    while ((await this.#earlier.next()) !== undefined) await this.#delete()
    this.#checkRoom()
    const layer = {
      ...(await this.#replacements.finish()),
      deleted: this.#deleted,
      tombstones: await this.#tombstones.finish(),
      appends: await this.#appends.finish(),
    }
    return layer.replacements.length + layer.deleted + layer.appends.length === 0 ? null : layer
  }

  async close(): Promise<void> {
    await this.#earlier.close()
  }

  /** The parent's row with this id, undefined when it has none that was not passed. */
  async #find(id: string): Promise<PlacedRow | undefined> {
    for (;;) {
      const row = this.#earlier.current ?? (await this.#earlier.next())
      if (row === undefined || row.id === id) {
        this.#earlier.step()
        return row
      }
      await this.#delete()
    }
  }

  async #delete(): Promise<void> {
    const row = this.#earlier.current
    this.#earlier.step()
    if (row === undefined) return
    this.#deleted++
    await this.#tombstones.push(encodeTombstone(row))
  }

  #checkRoom(): void {
    if (this.#deleted + this.#replacements.rows > this.#job.room) throw new LayerTooLargeError()
  }
}

type RowKind = 'same' | 'changed' | 'new'

function kindOf(earlier: PlacedRow | undefined, { payload, vectors }: BatchDigests, row: number): RowKind {
  if (earlier === undefined) return 'new'
  const at = row * DIGEST_BYTES
  const isSame =
    earlier.payload.equals(payload.subarray(at, at + DIGEST_BYTES)) &&
    earlier.vector.equals(vectors.subarray(at, at + DIGEST_BYTES))
  return isSame ? 'same' : 'changed'
}

/** A row at a time; waits only between pages. */
class EarlierRows {
  readonly #pages: AsyncGenerator<readonly PlacedRow[]>
  #page: readonly PlacedRow[] = []
  #row = 0

  constructor(pages: AsyncGenerator<readonly PlacedRow[]>) {
    this.#pages = pages
  }

  /** Undefined at the end of a page, too. */
  get current(): PlacedRow | undefined {
    return this.#page[this.#row]
  }

  step(): void {
    this.#row++
  }

  async next(): Promise<PlacedRow | undefined> {
    while (this.#row >= this.#page.length) {
      const next = await this.#pages.next()
      if (next.done === true) return undefined
      this.#page = next.value
      this.#row = 0
    }
    return this.current
  }

  async close(): Promise<void> {
    await this.#pages.return(undefined)
  }
}
