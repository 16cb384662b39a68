/** The public surface of the library. */
export { AbortedError, GuardError, IntegrityError, OpsError, UsageError } from './core/errors.js'
export { ExitCode } from './core/exit-code.js'
export type { Metadata, MetadataScalar, MetadataValue, SparseVector } from './core/metadata.js'
export { silentProgress, type Progress, type ProgressEvent, type Warning } from './core/progress.js'
export type {
  CollectionDefinition,
  CollectionName,
  CollectionReader,
  ReadConsistency,
  RecordBatch,
  RecordSource,
  Space,
} from './core/records.js'
