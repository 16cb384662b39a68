import { IntegrityError, OpsError, UsageError, type ErrorDetails } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** A backup could not be made, for a reason that is neither the source's nor the store's alone. */
export class BackupError extends OpsError {
  override readonly code: string = 'BACKUP_FAILED'
}

export class RepositoryNotFoundError extends OpsError {
  override readonly code = 'REPOSITORY_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound

  constructor(displayUrl: string, cause?: unknown) {
    super(`no repository at ${displayUrl}`, {
      hint: 'check the address; "chroma-ops repo init" creates a repository there, as backup does with --init',
      cause,
    })
  }
}

/** The repository or one of its backups was written by a newer chroma-ops. */
export class RepositoryUnsupportedError extends OpsError {
  override readonly code = 'REPOSITORY_UNSUPPORTED'
  override readonly exitCode = ExitCode.notSupported

  constructor(what: string, needs: string) {
    super(`${what} needs ${needs}, which this version does not know`, {
      hint: 'use a newer version of chroma-ops',
    })
  }
}

/** `repo.json` is altered, or missing although backups are there. */
export class RepositoryDamagedError extends IntegrityError {
  override readonly code = 'REPOSITORY_DAMAGED'
}

/** A JSON document of a repository is altered or cut off. */
export class DocumentDamagedError extends IntegrityError {
  override readonly code = 'DOCUMENT_DAMAGED'
  readonly key: string
  /** The rest of a sentence that begins with the key. */
  readonly damage: string

  constructor(key: string, damage: string, details?: ErrorDetails) {
    super(`${key} ${damage}`, details)
    this.key = key
    this.damage = damage
  }
}

/** The manifest of a backup is altered or cut off. */
export class ManifestDamagedError extends IntegrityError {
  override readonly code = 'MANIFEST_DAMAGED'
  readonly backup: string

  constructor(backup: string, message: string, details?: ErrorDetails) {
    super(message, details)
    this.backup = backup
  }
}

/** A list of erased records is altered or cut off: a restore could bring back what must stay away. */
export class ErasuresDamagedError extends IntegrityError {
  override readonly code = 'ERASURES_DAMAGED'

  constructor(message: string, cause?: unknown) {
    super(message, {
      hint: 'put the file back from a copy of the repository; --include-erased restores without it, erased records too',
      cause,
    })
  }
}

export class BackupNotFoundError extends OpsError {
  override readonly code = 'BACKUP_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound
}

/** "latest", or a time, in a repository with several series. */
export class SeriesAmbiguousError extends UsageError {
  override readonly code = 'SERIES_AMBIGUOUS'
  readonly series: readonly string[]

  constructor(series: readonly string[]) {
    super(`the repository has several series: ${series.join(', ')}`, { hint: 'name one with --series' })
    this.series = series
  }
}

/** The beginning of an id that several backups share. */
export class BackupAmbiguousError extends UsageError {
  override readonly code = 'BACKUP_AMBIGUOUS'
}

/** What can be wrong with a stored object. */
export type ObjectProblem = 'missing' | 'truncated' | 'altered' | 'swapped' | 'foreign' | 'inconsistent'

const PROBLEM_CODES = {
  missing: 'OBJECT_MISSING',
  truncated: 'OBJECT_TRUNCATED',
  altered: 'OBJECT_ALTERED',
  swapped: 'OBJECT_SWAPPED',
  foreign: 'OBJECT_FOREIGN',
  inconsistent: 'OBJECT_INCONSISTENT',
} as const

/** A stored object is not what its backup says; names the object and who is affected. */
export class ObjectDamagedError extends IntegrityError {
  override readonly code: string
  readonly problem: ObjectProblem
  readonly key: string
  readonly backup: string
  /** Display name of the collection that was read, null for the list of collections. */
  readonly collection: string | null

  constructor(
    problem: ObjectProblem,
    damage: { readonly key: string; readonly backup: string; readonly collection: string | null },
    detail: string,
    cause?: unknown,
  ) {
    const owner = damage.collection === null ? '' : `, collection ${damage.collection}`
    super(`${damage.key} ${detail} (backup ${damage.backup}${owner})`, {
      hint: `run "chroma-ops backup verify ${damage.backup}" to see everything that is damaged`,
      cause,
    })
    this.code = PROBLEM_CODES[problem]
    this.problem = problem
    this.key = damage.key
    this.backup = damage.backup
    this.collection = damage.collection
  }
}
