/**
 * What a comparison of two copies of one collection found. Every record was compared field by field:
 * exactly, except for what {@link Tolerated} counts.
 */
export interface Comparison {
  /** No record differs, is missing or is extra. The order of the records is told apart. */
  readonly equal: boolean
  /** Records that were expected. */
  readonly records: number
  /** Records that are in both copies and differ in at least one field. */
  readonly differing: number
  /** Expected records that are not there. */
  readonly missing: number
  /** Records that are there and were not expected. */
  readonly extra: number
  /** The records that both copies have are not in the same order. */
  readonly orderDiffers: boolean
  readonly tolerated: Tolerated
  /** The first differences found, at most 20. */
  readonly samples: readonly Difference[]
}

/** Differences that Chroma itself makes when it stores a value; they do not count as differing. */
export interface Tolerated {
  /** Floats in metadata that are at most 4 units in the last place off. */
  readonly metadataFloats: number
  /** Vectors of cosine collections of which each float is at most 4 units in the last place off. */
  readonly vectors: number
}

/** One difference, as text for people; values are JSON, shortened. */
export interface Difference {
  readonly id: string
  /** `record`, `document`, `uri`, `vector` or `metadata.<key>`. */
  readonly field: string
  readonly expected: string
  readonly actual: string
}

/** At most so many {@link Comparison.samples}. */
export const MAX_SAMPLES = 20
