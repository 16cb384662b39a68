/** The public surface of the library. */
export type { BackupJob, BackupPlan, BackupSummary, PlannedBackupCollection } from './backup/backup-job.js'
export { BackupSource } from './backup/backup-source.js'
export { readCollections } from './backup/contents.js'
export { createBackup } from './backup/create-backup.js'
export {
  BackupAmbiguousError,
  BackupError,
  BackupNotFoundError,
  ManifestDamagedError,
  ObjectDamagedError,
  RepositoryDamagedError,
  RepositoryNotFoundError,
  RepositoryUnsupportedError,
  SeriesAmbiguousError,
} from './backup/errors.js'
export { listBackups, type BackupEntry } from './backup/list-backups.js'
export type { BackupHead, CollectionEntry } from './backup/manifest.js'
export { planBackup } from './backup/plan-backup.js'
export { initRepository, openRepository, type Repository } from './backup/repository.js'
export { resolveBackup } from './backup/resolve-backup.js'
export { seriesOfUrl } from './backup/series.js'
export { verifyBackup, type VerifyJob } from './backup/verify-backup.js'
export type { VerifyProblem, VerifyReport } from './backup/verify-report.js'
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
