import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** This Node.js has no SQLite library that works. */
export class SqliteMissingError extends OpsError {
  override readonly code = 'SQLITE_MISSING'
  override readonly exitCode = ExitCode.notSupported

  constructor(tried: readonly string[], cause?: unknown) {
    super(`no SQLite library can be loaded (tried ${tried.join(', ')})`, {
      cause,
      hint: 'use Node.js 22.13 or newer, or install the optional package: npm install libsql@0.5.29',
    })
  }
}

/** Another process holds a lock on the database for longer than we were willing to wait. */
export class DatabaseBusyError extends OpsError {
  override readonly code = 'DATABASE_BUSY'
  override readonly exitCode = ExitCode.locked

  constructor(file: string, cause?: unknown) {
    super(`another process keeps ${file} locked`, { cause, hint: 'try again, or stop what writes to it' })
  }
}

/** The file is not an SQLite database, or its pages are damaged. */
export class DatabaseDamagedError extends OpsError {
  override readonly code = 'DATABASE_DAMAGED'
  override readonly exitCode = ExitCode.integrity

  constructor(
    file: string,
    cause?: unknown,
    hint = 'leave the directory as it is and restore a backup, or read what is left from a copy',
  ) {
    super(`${file} is damaged: ${messageOf(cause)}`, { cause, hint })
  }
}

/** A vacuum was killed while it wrote over the database; what it was writing lies in the folder of `--via`. */
export class DatabaseOverwrittenError extends DatabaseDamagedError {}

/**
 * A writer was killed in the middle of a transaction: `chroma.sqlite3-journal` must be rolled back before the
 * database can be read. Reading never does that to somebody's file.
 */
export class DatabaseJournalError extends OpsError {
  override readonly code = 'DATABASE_JOURNAL'

  constructor(
    file: string,
    cause?: unknown,
    hint = 'read a copy of the database together with its -journal file',
  ) {
    super(`${file} was left in the middle of a transaction (its -journal file is still to be rolled back)`, {
      cause,
      hint,
    })
  }
}

/** SQLite failed in another way: no space, no permission, an input or output error. */
export class DatabaseFailedError extends OpsError {
  override readonly code = 'DATABASE_FAILED'

  constructor(file: string, cause?: unknown) {
    super(`${file}: ${messageOf(cause)}`, { cause })
  }
}

/** There is no `chroma.sqlite3` in the directory, or it is not Chroma's. */
export class NotADataDirectoryError extends OpsError {
  override readonly code = 'NOT_A_DATA_DIRECTORY'
  override readonly exitCode = ExitCode.notFound

  constructor(directory: string, why: string, hint?: string) {
    super(`${directory} is not a data directory of Chroma: ${why}`, {
      hint:
        hint ?? 'name the directory that holds chroma.sqlite3 (the "path" or "persist_path" of the server)',
    })
  }
}

/** The bytes are not an `index_metadata.pickle` of Chroma. */
export class PickleError extends OpsError {
  override readonly code = 'PICKLE_DAMAGED'
  override readonly exitCode = ExitCode.integrity
}

/** The files of an index are not what their header says, or there is no header. */
export class HnswError extends OpsError {
  override readonly code = 'INDEX_DAMAGED'
  override readonly exitCode = ExitCode.integrity
}

/** Somebody has written to the directory while it was read. */
export class DirectoryChangedError extends OpsError {
  override readonly code = 'DIRECTORY_CHANGED'
  override readonly exitCode = ExitCode.locked
}

/** The collection is not in the data directory (any more). */
export class CollectionMissingError extends OpsError {
  override readonly code = 'COLLECTION_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound
}

function messageOf(cause: unknown): string {
  return cause instanceof Error || (typeof cause === 'object' && cause !== null && 'message' in cause)
    ? String(cause.message)
    : 'unknown failure'
}
