import type { ReembedOptions } from './collection-operations.js'
import type { Space } from '../core/records.js'
import type { ChangedRecord, MigrationRecord } from './record.js'

export type Transform = (record: MigrationRecord) => ChangedRecord | null | Promise<ChangedRecord | null>

/** One link of a chain, as the migration wrote it; those of a chain are fused into one {@link RecordMap}. */
export type RecordOperator =
  | { readonly kind: 'transform'; readonly change: Transform; readonly inPlace: boolean }
  | { readonly kind: 'filter'; readonly keep: (record: MigrationRecord) => boolean }
  | { readonly kind: 'reembed'; readonly options: ReembedOptions }
  | { readonly kind: 'changeSpace'; readonly space: Space }
  | { readonly kind: 'changeDimension'; readonly dimension: number }
