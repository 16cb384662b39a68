import type { JsonValue } from '../core/json.js'
import type { RecordBatch, Space } from '../core/records.js'

/**
 * What happens to the records of a collection on their way: transform, filter, reembed, changed dimension,
 * fused into one pass. Row-local and (but for a provider's answers) deterministic: the same record gives the
 * same result in every run, so that a copy can be continued and checked. Ids stay; records may be left out.
 */
export interface RecordMap {
  /** Differs when the results differ: the operations, the source of their functions, their settings. */
  readonly hash: string
  /** The result's space; null: as the source. */
  readonly space: Space | null
  /**
   * Whether vectors are others than the source's (from a provider, cut, or by a function). What a function
   * does is known only once it has done it: final when every record has been mapped.
   */
  readonly newVectors: boolean
  /** `embedding_function` of the result's configuration, as the API writes it. Absent: as the source's. */
  readonly embeddingFunction?: JsonValue
  /** Texts that a provider was asked for so far; those in the cache do not count. */
  readonly embedded: number
  /** Records in, records out, in the same order; those left out are missing. Vectors may change in length. */
  map(batch: RecordBatch, signal: AbortSignal): Promise<RecordBatch>
}
