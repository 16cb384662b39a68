/** Migrations: what their files import, and what applies them. Light, so that files load fast. */
export {
  defineMigration,
  type CheckContext,
  type CollectionChecks,
  type CollectionReads,
  type CollectionRequirement,
  type MigrationContext,
  type MigrationDefinition,
} from './migrations/definition.js'
export type {
  CollectionOperations,
  CreateOptions,
  EmbeddingProvider,
  MetadataChange,
  ReembedOptions,
  SwapOptions,
  VerifyOptions,
} from './migrations/collection-operations.js'
export type { BackupBeforeChange } from './migrations/backup-port.js'
export {
  MigrationFileError,
  type FileProblem,
  type FileProblemCode,
} from './migrations/files/file-problem.js'
export { MigrationFolderNotFoundError } from './migrations/files/list-files.js'
export { MigrationError, type MigrationErrorCode } from './migrations/migration-error.js'
export type {
  MigrationPlan,
  PlannedCollection,
  PlannedEmbedding,
  PlannedMigration,
  PlannedStep,
  PlanNote,
  SampledRecords,
} from './migrations/plan/migration-plan.js'
export {
  double,
  MetadataDouble,
  type ChangedRecord,
  type MigrationMetadata,
  type MigrationRecord,
  type MigrationValue,
} from './migrations/record.js'
export type { CompleteResult, KeptCollection } from './migrations/run/complete.js'
export type { EnsureMode } from './migrations/run/ensure.js'
export {
  ContextMisusedError,
  IrreversibleError,
  MigrationDriftError,
  MigrationFailedError,
  MigrationNotFoundError,
  MigrationUndecidedError,
  type DriftCode,
} from './migrations/run/errors.js'
export type { HistoryEntry } from './migrations/run/history.js'
export type { Direction, MigrationEvents } from './migrations/run/migration-job.js'
export type { BaselineResult, Repair, RepairAction, RepairResult } from './migrations/run/repair.js'
export type { MigrationResult, RunResult, StepResult } from './migrations/run/result.js'
export type { KnownMigration } from './migrations/run/select.js'
export type {
  LockDescription,
  MigrationState,
  MigrationStatus,
  StatusFinding,
} from './migrations/run/status.js'
export { LockChangedError, LockHeldError, LockLostError } from './migrations/state/lock-errors.js'
export type { BackupReference, CollectionFingerprint, MigrationBackup } from './migrations/state/row.js'
export {
  StateConflictError,
  StateDamagedError,
  StateForeignError,
  StateUnsupportedError,
} from './migrations/state/state-errors.js'
export {
  Migrator,
  type ApplyOptions,
  type EnsureOptions,
  type MigratorOptions,
  type RevertOptions,
} from './migrator.js'
export { testMigration, type TestMigrationOptions } from './test-migration.js'
export type { MigrationCheck, MigrationTestReport } from './migrations/kit/run-migration-test.js'
