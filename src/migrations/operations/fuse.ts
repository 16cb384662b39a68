import type { RecordBatch } from '../../core/records.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import type { RecordMap } from '../record-map.js'
import type { RecordOperator } from '../record-operator.js'

export interface FuseTools {
  readonly cache: EmbeddingCache
}

/** A chain of operators as one pass. */
export interface FusedMap extends RecordMap {
  readonly operators: readonly RecordOperator[]
  /**
   * Runs the functions on some records, without asking a provider: for a plan. Rejects as `map` does for what
   * a function gets wrong, and for records without text.
   */
  preview(batch: RecordBatch, signal: AbortSignal): Promise<MapPreview>
}

export interface MapPreview {
  readonly records: number
  /** Records in whose document, URI, metadata or vector a function changed something. */
  readonly changed: number
  readonly dropped: number
  /** The texts that a provider would be asked for, one for each record left. */
  readonly texts: readonly string[]
  /** How many different ones of them are in the cache. */
  readonly cached: number
}

/** Throws a {@link MigrationError} when the operators do not fit together. */
export function fuse(_operators: readonly RecordOperator[], _tools: FuseTools): FusedMap {
  throw new Error('not there yet')
}
