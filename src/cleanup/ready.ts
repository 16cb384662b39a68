import { lstat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { pendingSwap } from '../datadir/directory-swap.js'
import { DatabaseJournalError, NotADataDirectoryError } from '../datadir/errors.js'
import { requireNoHolder } from '../datadir/holder.js'
import { explainedReading } from '../datadir/own-folder.js'
import { openDatabase } from '../datadir/sqlite.js'
import { SwapUndecidedError } from '../datadir/swap-journal.js'
import { VacuumUnfinishedError } from './errors.js'
import { isHalfOverwritten } from './overwrite-database.js'
import { DATABASE_FILE } from './survey.js'

/** Asked before anything is made in a directory: what is no data directory gets no folder of ours. */
export async function requireDatabase(directory: string): Promise<void> {
  try {
    if ((await lstat(path.join(directory, DATABASE_FILE))).isDirectory())
      throw new NotADataDirectoryError(directory, `its ${DATABASE_FILE} is a directory`)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw explainedReading(error, path.join(directory, DATABASE_FILE))
    throw new NotADataDirectoryError(directory, `it holds no ${DATABASE_FILE}`)
  }
}

/** Rejects with VacuumUnfinishedError (17) where a killed vacuum has left the database half overwritten. */
export async function requireWhole(directory: string): Promise<void> {
  if (!(await isHalfOverwritten(path.join(directory, DATABASE_FILE)))) return
  throw new VacuumUnfinishedError(`a run was killed while it wrote the database of ${directory}`, {
    hint: 'run chroma-ops cleanup with --path and --apply: it finishes that first, from the copy that the run made',
  })
}

/** Rejects with SwapUndecidedError (17) where a restore into the directory was interrupted. */
export async function requireNoSwap(directory: string): Promise<void> {
  if ((await pendingSwap(directory)) === null) return
  throw new SwapUndecidedError(`a restore into ${directory} was interrupted`, {
    hint: 'run the same restore again: it finishes or takes back what it began',
  })
}

/**
 * Rolls back what a writer that was killed has left unfinished, as a server does when it starts: until then the
 * database cannot be read. Rejects when somebody may work on the directory.
 */
export async function rollBackUnfinished(
  directory: string,
  job: { readonly serverStopped: boolean },
): Promise<void> {
  const file = path.join(directory, DATABASE_FILE)
  try {
    const database = await openDatabase(file, { mode: 'read' })
    database.close()
  } catch (error) {
    if (!(error instanceof DatabaseJournalError)) throw error
    await requireNoHolder(directory, job)
    const database = await openDatabase(file, { mode: 'write' })
    database.close()
  }
}

/** An unfinished transaction, with the way out that a cleanup has; any other error as it is. */
export function withRollBackHint(directory: string, error: unknown): unknown {
  if (!(error instanceof DatabaseJournalError)) return error
  return new DatabaseJournalError(
    path.join(directory, DATABASE_FILE),
    error,
    'run this with --apply, which rolls it back first, as a server does when it starts',
  )
}
