import { digestBatch, DigestSum } from '../core/digest.js'
import type { Progress } from '../core/progress.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionReader,
  type ReadConsistency,
  type RecordBatch,
} from '../core/records.js'
import { BackupError } from './errors.js'
import type { CollectionDigest } from './manifest.js'
import type { ObjectWriter } from './object-writer.js'
import type { ReusableCollection } from './reuse.js'
import { RowGroupBoundaries } from './row-group-boundaries.js'
import { RowGroupWriter, type PendingRowGroup } from './row-group-writer.js'

/** A collection whose records are on their way into objects. */
export interface PendingCollection {
  /** With the dimension that the records have. */
  readonly definition: CollectionDefinition
  readonly records: number
  readonly missingVectors: number
  readonly digest: CollectionDigest
  readonly logicalBytes: number
  readonly consistency: ReadConsistency
  /** Why the source could not deliver all of it. */
  readonly damage: { readonly code: string; readonly message: string } | null
  readonly rowGroups: readonly PendingRowGroup[]
}

export interface WriteCollectionJob {
  readonly reader: CollectionReader
  readonly objects: ObjectWriter
  /** The same collection in the parent backup, null when there is none. */
  readonly earlier: ReusableCollection | null
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/** Reads all records of a collection and hands them to the object writer, row group by row group. */
export async function writeCollection(job: WriteCollectionJob): Promise<PendingCollection> {
  const { reader, progress, signal } = job
  const { definition, expectedRecords } = reader
  const task = displayName(definition)
  const rows = new RowGroupSequence(job)
  for await (const batch of reader.batches(signal)) {
    await rows.add(batch)
    progress.update({
      task,
      phase: 'read',
      done: rows.records,
      total: Math.max(expectedRecords, rows.records),
      unit: 'records',
      bytes: rows.vectorBytes,
    })
  }
  const written = await rows.finish()
  progress.update({
    task,
    phase: 'read',
    done: rows.records,
    total: rows.records,
    unit: 'records',
    bytes: rows.vectorBytes,
    state: 'done',
  })
  return { ...written, consistency: reader.consistency(), damage: reader.damage?.() ?? null }
}

class RowGroupSequence {
  readonly #job: WriteCollectionJob
  readonly #payload = new DigestSum()
  readonly #vectors = new DigestSum()
  readonly #groups: PendingRowGroup[] = []
  #dimension: number | null
  #boundaries: RowGroupBoundaries | null = null
  #group: RowGroupWriter
  #missingVectors = 0
  #payloadBytes = 0

  constructor(job: WriteCollectionJob) {
    this.#job = job
    this.#dimension = job.reader.definition.dimension
    this.#group = new RowGroupWriter(job.objects)
  }

  get records(): number {
    return this.#payload.records
  }

  get vectorBytes(): number {
    return this.records * (this.#dimension ?? 0) * 4
  }

  async add(batch: RecordBatch): Promise<void> {
    if (batch.ids.length === 0) return
    const dimension = this.#dimensionOf(batch)
    this.#boundaries ??= new RowGroupBoundaries(dimension)
    const digests = digestBatch(batch)
    this.#payload.add(digests.payload)
    this.#vectors.add(digests.vectors)
    this.#missingVectors += batch.missingEmbeddings.length
    let from = 0
    for (const [row, id] of batch.ids.entries()) {
      if (!this.#boundaries.endsWith(id)) continue
      await this.#group.add(batch, digests, { from, to: row + 1, dimension })
      await this.#endGroup()
      from = row + 1
    }
    if (from < batch.ids.length) {
      await this.#group.add(batch, digests, { from, to: batch.ids.length, dimension })
    }
  }

  async finish(): Promise<Omit<PendingCollection, 'consistency' | 'damage'>> {
    if (this.#group.rows > 0) await this.#endGroup()
    return {
      definition: { ...this.#job.reader.definition, dimension: this.#dimension },
      records: this.records,
      missingVectors: this.#missingVectors,
      digest: { payload: this.#payload.hex(), vectors: this.#vectors.hex() },
      logicalBytes: this.vectorBytes + this.#payloadBytes,
      rowGroups: this.#groups,
    }
  }

  async #endGroup(): Promise<void> {
    this.#payloadBytes += this.#group.payloadBytes
    this.#groups.push(await this.#group.finish((id) => this.#job.earlier?.rowGroups.get(id)))
    this.#group = new RowGroupWriter(this.#job.objects)
  }

  #dimensionOf(batch: RecordBatch): number {
    this.#dimension ??= batch.dimension
    const allMissing = batch.missingEmbeddings.length === batch.ids.length
    if (batch.dimension !== this.#dimension && !(batch.dimension === 0 && allMissing)) {
      const name = displayName(this.#job.reader.definition)
      throw new BackupError(
        `${name} has vectors of ${batch.dimension} and of ${this.#dimension} dimensions`,
        { hint: 'check the collection with "chroma-ops health --level deep"' },
      )
    }
    return this.#dimension
  }
}
