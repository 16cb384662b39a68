import { digestBatch, DigestSum, type BatchDigests } from '../core/digest.js'
import { displayName, type CollectionDefinition, type RecordBatch } from '../core/records.js'
import { BackupError } from './errors.js'
import type { CollectionDigest } from './manifest.js'

/** What is counted while a collection is read. */
export interface CountedCollection {
  /** With the dimension that the records have. */
  readonly definition: CollectionDefinition
  readonly records: number
  readonly missingVectors: number
  readonly digest: CollectionDigest
  readonly logicalBytes: number
}

export class CollectionTotals {
  readonly #definition: CollectionDefinition
  readonly #payload = new DigestSum()
  readonly #vectors = new DigestSum()
  #dimension: number | null
  #missingVectors = 0
  /** Of JSON lines before compression. */
  payloadBytes = 0

  constructor(definition: CollectionDefinition) {
    this.#definition = definition
    this.#dimension = definition.dimension
  }

  get records(): number {
    return this.#payload.records
  }

  get vectorBytes(): number {
    return this.records * (this.#dimension ?? 0) * 4
  }

  /** The digests of the batch, and the dimension of the collection. Throws a {@link BackupError} if they differ. */
  add(batch: RecordBatch): { readonly digests: BatchDigests; readonly dimension: number } {
    const dimension = this.#dimensionOf(batch)
    const digests = digestBatch(batch)
    this.#payload.add(digests.payload)
    this.#vectors.add(digests.vectors)
    this.#missingVectors += batch.missingEmbeddings.length
    return { digests, dimension }
  }

  result(): CountedCollection {
    return {
      definition: { ...this.#definition, dimension: this.#dimension },
      records: this.records,
      missingVectors: this.#missingVectors,
      digest: { payload: this.#payload.hex(), vectors: this.#vectors.hex() },
      logicalBytes: this.vectorBytes + this.payloadBytes,
    }
  }

  #dimensionOf(batch: RecordBatch): number {
    this.#dimension ??= batch.dimension
    const allMissing = batch.missingEmbeddings.length === batch.ids.length
    if (batch.dimension !== this.#dimension && !(batch.dimension === 0 && allMissing)) {
      const name = displayName(this.#definition)
      throw new BackupError(
        `${name} has vectors of ${batch.dimension} and of ${this.#dimension} dimensions`,
        { hint: 'check the collection with "chroma-ops health --level deep"' },
      )
    }
    return this.#dimension
  }
}
