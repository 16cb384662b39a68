import type { SparseVector } from '../core/metadata.js'

/**
 * A metadata value as a migration sees it. Integers within ±2^53 and doubles are numbers, larger integers
 * bigints. A value that is given back as it was keeps its type; of others a whole number becomes an integer
 * unless the key held a double before. {@link double} says it outright. A list holds values of one type and
 * is never empty.
 */
export type MigrationValue = MigrationScalar | readonly MigrationScalar[] | SparseVector

export type MigrationScalar = string | boolean | number | bigint | MetadataDouble

export type MigrationMetadata = Readonly<Record<string, MigrationValue>>

/** Known by this even when a migration has loaded another copy of this library. */
const DOUBLE = Symbol.for('chroma-ops.double')

/** A number that is stored as a double even when it is whole. */
export class MetadataDouble {
  readonly [DOUBLE] = true
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export function isMetadataDouble(value: unknown): value is MetadataDouble {
  return typeof value === 'object' && value !== null && DOUBLE in value
}

/** `metadata: { score: double(1) }` is stored as `1.0`. */
export function double(value: number): MetadataDouble {
  return new MetadataDouble(value)
}

/** One record as the functions of a migration see it. */
export interface MigrationRecord {
  readonly id: string
  /** Float32. Null when the server has lost it. */
  readonly embedding: Float32Array | null
  readonly document: string | null
  readonly uri: string | null
  readonly metadata: MigrationMetadata | null
}

/**
 * What a transform gives back; the id must be the same. A field that is left out stays as it was; null takes a
 * document, a URI or the metadata away. Numbers of the embedding are stored as float32, and as many as before.
 */
export interface ChangedRecord {
  readonly id: string
  readonly embedding?: ArrayLike<number> | null
  readonly document?: string | null
  readonly uri?: string | null
  readonly metadata?: MigrationMetadata | null
}
