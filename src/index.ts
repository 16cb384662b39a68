/** The public surface of the library. */
export { backupBeforeChange, type BackupBeforeChangeJob } from './backup-before-change.js'
export { exportArchive, exportArchiveFile, type ExportArchiveJob } from './backup/archive/export-archive.js'
export { importArchive, type ImportArchiveJob } from './backup/archive/import-archive.js'
export { openArchive, type OpenArchiveJob, type OpenedArchive } from './backup/archive/open-archive.js'
export type { BackupJob, BackupPlan, BackupSummary, PlannedBackupCollection } from './backup/backup-job.js'
export { BackupSource } from './backup/backup-source.js'
export { clockWarning } from './backup/clock.js'
export { readCollections } from './backup/contents.js'
export { createBackup } from './backup/create-backup.js'
export { diffBackups, type BackupDiff, type CollectionDiff, type DiffJob } from './backup/diff-backups.js'
export { createPhysicalBackup } from './backup/create-physical-backup.js'
export {
  drillBackup,
  type DrilledCollection,
  type DrillJob,
  type DrillReport,
} from './backup/drill-backup.js'
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
export { Erasures, recordErasure, type ErasedCollection, type ErasureJob } from './backup/erasures.js'
export { exportRecords, type ExportRecordsJob } from './backup/files/export-records.js'
export { FileSource } from './backup/files/file-source.js'
export { findRecordFiles, importRecords, type ImportRecordsJob } from './backup/files/import-records.js'
export { RecordFileError } from './backup/files/record-file-error.js'
export {
  findRecords,
  type BackupHolding,
  type CollectionHolding,
  type FindJob,
  type FindReport,
  type UnsearchedBackup,
} from './backup/find-records.js'
export { listBackups, type BackupEntry } from './backup/list-backups.js'
export { readRepositoryStatus, type RepositoryStatus } from './backup/repository-status.js'
export { BackupRunningError, listSessions, type RunningSession } from './backup/running-sessions.js'
export { whileRestoring, type RestoreSessionJob } from './backup/restore-session.js'
export { planPrune } from './backup/plan-prune.js'
export { applyPrune } from './backup/prune-repository.js'
export type { ApplyPruneJob, PruneJob, PruneResult } from './backup/prune-job.js'
export { NO_POLICY, type RetentionPolicy } from './backup/retention-policy.js'
export { listRemoved, undeleteBackup, type UndeleteJob } from './backup/undelete-backup.js'
export {
  HOLD,
  LATER_TAGS,
  putMark,
  readMark,
  removeMark,
  VERIFIED,
  type Hold,
} from './backup/backup-marks.js'
export type { BackupHead, CollectionEntry } from './backup/manifest.js'
export { planBackup } from './backup/plan-backup.js'
export type { PhysicalBackupJob, PhysicalBackupSummary } from './backup/physical-job.js'
export { planPhysicalBackup, type PhysicalBackupPlan } from './backup/plan-physical-backup.js'
export {
  initRepository,
  openRepository,
  repairRepository,
  type Repository,
  type RepositoryAccess,
} from './backup/repository.js'
export { newKeyFile, parseKeyFile, passphraseKey, type RepositoryKey } from './backup/key-file.js'
export { addKey, readSlots } from './backup/key-slots.js'
export { removeKey } from './backup/remove-key.js'
export { pushSpool, type PushJob, type PushReport } from './backup/push-spool.js'
export { openSpool, prepareSpool, spooledBackups, type Spool } from './backup/spool.js'
export type { ResumedRuns } from './backup/left-objects.js'
export { copyBackups, type CopyReport } from './backup/copy-repository.js'
export { rescueDirectory, type RescueDirectoryJob, type RescueReport } from './backup/rescue-directory.js'
export { resolveBackup } from './backup/resolve-backup.js'
export { planRestore, restoreBackup, type RestoreJob } from './backup/restore-backup.js'
export {
  planRestoreDirectory,
  restoreDirectory,
  type DirectoryRestored,
  type RestoreDirectoryJob,
  type RestoreDirectoryPlan,
} from './backup/restore-directory.js'
export { seriesOfUrl } from './backup/series.js'
export { serveBackup, type ServedBackup, type ServeJob } from './backup/serve-backup.js'
export {
  verifyAgainst,
  type AgainstReport,
  type CollectionAgainst,
  type VerifyAgainstJob,
} from './backup/verify-against.js'
export { verifyBackup, type VerifyJob } from './backup/verify-backup.js'
export type { VerifyProblem, VerifyReport } from './backup/verify-report.js'
export {
  ChromaApi,
  cloudQuota,
  type CollectionChange,
  type CollectionRef,
  type CollectionSpec,
  type GetRequest,
  type Include,
  type PreFlight,
  type QueryHit,
  type ServerQuota,
  type VectorQuery,
} from './chroma/api.js'
export type { FindingCode } from './chroma/catalogue.js'
export { connectTransport } from './chroma/connect.js'
export {
  createLike,
  SpaceNotKeptError,
  type CreatedLike,
  type CreateLikeOptions,
} from './chroma/create-like.js'
export {
  EmbeddedServerError,
  startEmbeddedServer,
  type EmbeddedServer,
  type EmbeddedServerOptions,
} from './chroma/embedded-server.js'
export {
  ChromaAuthError,
  ChromaConflictError,
  ChromaError,
  ChromaGarbledAnswerError,
  ChromaInvalidRequestError,
  ChromaNotFoundError,
  ChromaNotSupportedError,
  ChromaRateLimitedError,
  ChromaServerError,
  ChromaTimeoutError,
  ChromaTlsError,
  ChromaUnavailableError,
  CollectionNotFoundError,
  DatabaseNotFoundError,
  NotChromaError,
  PayloadTooLargeError,
  PoolExhausted,
  TenantNotFoundError,
  V1OnlyError,
} from './chroma/errors.js'
export { explainError, type Explanation } from './chroma/explain.js'
export type { ServerCapabilities, ServerFingerprint } from './chroma/fingerprint.js'
export { CollectionChangingError } from './chroma/list-windows.js'
export { defaultPoolOptions, type PoolOptions, type PoolStats } from './chroma/pool-options.js'
export { TempFileError } from './chroma/id-spool.js'
export { probeSpace, withTrueSpace } from './chroma/probe-space.js'
export { serverLookup } from './chroma/server-lookup.js'
export { ServerCollectionWriter, WriteNotKeptError } from './chroma/server-sink.js'
export { ServerSource, type ServerScope, type ServerSourceOptions } from './chroma/server-source.js'
export { spaceIsDoubtful, spaceOf } from './chroma/space.js'
export {
  defaultServerOptions,
  type ChromaRequest,
  type ChromaTransport,
  type ProxyOptions,
  type ServerOptions,
  type TlsOptions,
  type TransportStats,
} from './chroma/transport.js'
export { applyCleanup, planOf as planCleanup, type ApplyJob, type CleanupJob } from './cleanup/apply.js'
export {
  emptyQuarantine,
  listQuarantine,
  type EmptiedQuarantine,
  type EmptyJob,
  type QuarantinedRun,
} from './cleanup/quarantine.js'
export {
  CLEANUP_TARGETS,
  type CleanupFailure,
  type CleanupNotice,
  type CleanupPlan,
  type CleanupResult,
  type CleanupStep,
  type CleanupTarget,
  type RemovedThing,
} from './cleanup/report.js'
export { defaultQuarantine } from './cleanup/run-record.js'
export { cleanRuns, type RunsJob } from './cleanup/runs/clean-runs.js'
export { deadFiles, type DeadFilesJob } from './cleanup/runs/dead-files.js'
export { deadSessions } from './cleanup/runs/dead-sessions.js'
export { deadShadows, type DeadShadowsJob } from './cleanup/runs/dead-shadows.js'
export { migrationLeftovers, type MigrationLeftoversJob } from './cleanup/runs/migration-leftovers.js'
export type { Leftover, LeftoverPlace, RunsResult } from './cleanup/runs/leftover.js'
export { undoCleanup, type UndoJob, type UndoResult } from './cleanup/undo.js'
export {
  parseCollectionPattern,
  type CollectionPattern,
  type CollectionSelection,
} from './core/collection-pattern.js'
export { AbortedError, GuardError, IntegrityError, OpsError, UsageError } from './core/errors.js'
export { ExitCode } from './core/exit-code.js'
export { metadataFromJson, metadataToJson } from './core/metadata-json.js'
export type { Metadata, MetadataScalar, MetadataValue, SparseVector } from './core/metadata.js'
export { silentProgress, type Progress, type ProgressEvent, type Warning } from './core/progress.js'
export type {
  CollectionDefinition,
  CollectionName,
  CollectionReader,
  ReadConsistency,
  RecordBatch,
  RecordLookup,
  RecordSource,
  Space,
} from './core/records.js'
export {
  batchPolicy,
  interactivePolicy,
  RetryExhausted,
  RetryManager,
  type RetryCall,
  type RetryEvent,
  type RetryOptions,
  type RetryPolicy,
  type RetryStats,
} from './core/retry.js'
export {
  openDataDirectory,
  type DataDirectory,
  type DataDirectoryOptions,
  type Segment,
} from './datadir/data-directory.js'
export { DirectorySource, type DirectorySourceOptions } from './datadir/directory-source.js'
export {
  CollectionMissingError,
  DatabaseBusyError,
  DatabaseDamagedError,
  DatabaseFailedError,
  DatabaseJournalError,
  DirectoryChangedError,
  HnswError,
  NotADataDirectoryError,
  PickleError,
  SqliteMissingError,
} from './datadir/errors.js'
export { openingBy, type MigrationFingerprint, type Opening } from './datadir/migrations.js'
export { openRecordsOf, type OpenedRecords } from './datadir/private-records.js'
export type { Database, SqlRow, SqlValue } from './datadir/sqlite.js'
export {
  DirectoryHeldError,
  findHolder,
  HolderUnknownError,
  requireNoHolder,
  type Holder,
} from './datadir/holder.js'
export { DirectoryLockedError, withDirectoryLock, type LockJob } from './datadir/directory-lock.js'
export {
  eraseFromDirectory,
  planDirectoryErasure,
  type DirectoryErasure,
  type DirectoryHolding,
  type EraseDirectoryJob,
} from './datadir/erase-directory.js'
export type { RescuedCollection, RescuedState } from './datadir/rescue-source.js'
export type { ErasureProof, Residue } from './datadir/erase-proof.js'
export { DatabaseManager, type ManagerOptions } from './database-manager.js'
export { SnapshotStallError, SnapshotUnsupportedError } from './datadir/snapshot-errors.js'
export { SwapUndecidedError } from './datadir/swap-journal.js'
export { checkHealth, type HealthJob } from './health/check-health.js'
export { MetricsCollector } from './health/metrics-collector.js'
export {
  HealthMonitor,
  type MonitorChange,
  type MonitorEvents,
  type MonitorJob,
  type MonitorState,
} from './health/monitor.js'
export { directoryCatalogue, type DirectoryFindingId } from './health/offline/catalogue.js'
export { checkDirectory, type DirectoryHealthJob } from './health/offline/check-directory.js'
export type {
  DatabaseHealth,
  DirectoryCollection,
  DirectoryReport,
  LastBackup,
  Rehearsal,
  ServerView,
  UpgradeChange,
  UpgradeReport,
  ViewDifference,
} from './health/offline/directory-report.js'
export { renderDirectoryNagios, renderDirectoryPrometheus } from './health/offline/render-directory.js'
export { renderNagios, type NagiosResult } from './health/render-nagios.js'
export { renderPrometheus } from './health/render-prometheus.js'
export {
  healthExitCode,
  type CollectionHealth,
  type HealthFinding,
  type HealthLevel,
  type HealthReport,
  type HealthStatus,
  type Severity,
} from './health/report.js'
export type { HealthScope } from './health/scope.js'
export { ManagedCollection, type FoundRecord } from './managed-collection.js'
export { ManagedDatabase, type CollectionOptions, type DatabaseOptions } from './managed-database.js'
// The rest of what migrations have is in `chroma-ops/migrate`.
export { Migrator, type MigratorOptions } from './migrator.js'
export type { PlainMetadata, PlainRecord, StoredRecord } from './plain-records.js'
export type {
  CollectionOperations,
  CreateOptions,
  EmbeddingProvider,
  MetadataChange,
  ReembedOptions,
  SwapOptions,
  VerifyOptions,
} from './migrations/collection-operations.js'
export {
  defineMigration,
  type CheckContext,
  type CollectionChecks,
  type CollectionReads,
  type CollectionRequirement,
  type MigrationContext,
  type MigrationDefinition,
} from './migrations/definition.js'
export {
  double,
  MetadataDouble,
  type ChangedRecord,
  type MigrationMetadata,
  type MigrationRecord,
  type MigrationValue,
} from './migrations/record.js'
export {
  BlobChangedError,
  BlobExistsError,
  BlobNotFoundError,
  InvalidKeyError,
  MAX_BLOB_BYTES,
  StoreAccessError,
  StoreError,
  StoreFullError,
  StoreNotFoundError,
  StoreUnreachableError,
  StoreUnsupportedError,
  type BlobInfo,
  type BlobStore,
  type BlobVersion,
  type GetOptions,
  type StoreCapabilities,
  type StoredBlob,
} from './storage/blob-store.js'
export type { AzureOptions } from './storage/azure-client.js'
export type { GcsOptions } from './storage/gcs-client.js'
export { LocalStore } from './storage/local-store.js'
export { MemoryStore } from './storage/memory-store.js'
export type { StoreTraffic } from './storage/metered-store.js'
export { openStore, type StoreOptions } from './storage/open-store.js'
export {
  probeStore,
  type PromiseReport,
  type StoreProbeReport,
  type StorePromise,
} from './storage/probe-store.js'
export { RetryingStore, type StoreRetries } from './storage/retrying-store.js'
export type { S3Credentials, S3Options } from './storage/s3-client.js'
export { TarStore } from './storage/tar-store.js'
export type { ProxyChoice, StoreProxy } from './storage/tunnel-agent.js'
export { compareCollection, type CompareJob } from './transfer/compare.js'
export { copyCollections } from './transfer/copy-collections.js'
export { CopyDiffersError, CopyError } from './transfer/copy-errors.js'
export type { CopyJob } from './transfer/copy-job.js'
export type {
  CollectionCopied,
  CopyAction,
  CopyConsistency,
  CopyPlan,
  CopySummary,
  PlannedCopy,
  PlannedDifference,
} from './transfer/copy-summary.js'
export { planCopy } from './transfer/plan-copy.js'
export type { LimitFinding, LimitReport, LimitsKind } from './transfer/target-limits.js'
export {
  planRebuild,
  rebuildIndex,
  type RebuildJob,
  type RebuildPlan,
  type Rebuilt,
} from './transfer/rebuild-index.js'
export { eraseFromServer, type ServerHolding } from './transfer/erase-from-server.js'
export type { Comparison, Difference, Tolerated } from './transfer/comparison.js'
export { RestoreDiffersError, SwapInterruptedError, TargetExistsError } from './transfer/errors.js'
export type { ProbeFigures } from './transfer/probe-queries.js'
export type {
  CollectionRestored,
  PlannedAction,
  PlannedCollection,
  RestoreMode,
  RestorePlan,
  RestoreSummary,
} from './transfer/restore-plan.js'
