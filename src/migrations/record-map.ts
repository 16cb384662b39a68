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
  /** Whether vectors are made anew (by a provider or a function): they are compared otherwise then. */
  readonly newVectors: boolean
  /** Records in, records out, in the same order; those left out are missing. Vectors may change in length. */
  map(batch: RecordBatch, signal: AbortSignal): Promise<RecordBatch>
}
