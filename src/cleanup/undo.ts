import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { withDirectoryLock } from '../datadir/directory-lock.js'
import { realDirectory } from '../datadir/file-system.js'
import { requireNoHolder } from '../datadir/holder.js'
import { explained } from '../datadir/own-folder.js'
import { openDatabase } from '../datadir/sqlite.js'
import { syncFolder } from '../datadir/sync-folder.js'
import { QuarantineRunError } from './errors.js'
import { failureOf, moveDirectory } from './remove-directories.js'
import type { CleanupFailure } from './report.js'
import { restoreRows } from './restore-rows.js'
import { putDatabaseBack } from './keep-database.js'
import { INDEXES_FOLDER, readRunRecord, ROWS_FILE, writeRunRecord, type RunRecord } from './run-record.js'
import { newestRun } from './quarantine.js'
import { requireDatabase, requireNoSwap, requireWhole } from './ready.js'
import { removeStaleSuperJournals } from './super-journals.js'
import { DATABASE_FILE } from './survey.js'

export interface UndoJob {
  readonly directory: string
  readonly quarantine: string
  /** Undefined: the newest that is not undone. */
  readonly run?: string | undefined
  readonly serverStopped: boolean
  readonly signal?: AbortSignal | undefined
}

export interface UndoResult {
  readonly directory: string
  readonly run: string
  /** What came back: directories and rows. */
  readonly directories: number
  readonly rows: number
  /** Whether the database file came back as it was, byte by byte; then no rows are counted. */
  readonly database: boolean
  /** What stays in the quarantine, and why. */
  readonly errors: readonly CleanupFailure[]
  readonly durationMs: number
}

/**
 * Puts back what a cleanup put into quarantine: the same directories and rows. What collides with something newer
 * stays in the quarantine and is told. Rows come back in one transaction, or not at all; the whole database file
 * where it was kept and nobody has written since. That, and a run that mended the full-text index, need a stopped
 * server.
 */
export async function undoCleanup(given: UndoJob): Promise<UndoResult> {
  const started = performance.now()
  const directory = await realDirectory(given.directory)
  const { quarantine, signal } = given
  await requireDatabase(directory)
  const run = given.run ?? (await newestRun(quarantine))
  const folder = path.join(quarantine, path.basename(run))
  return withDirectoryLock(directory, { purpose: 'cleanup undo', signal }, async () => {
    await requireNoSwap(directory)
    await requireWhole(directory)
    const record = await readRunRecord(folder)
    if (!(await exists(path.join(folder, INDEXES_FOLDER))))
      throw new QuarantineRunError(`${run} was not left by a cleanup`, {
        hint: `what a restore has replaced lies in ${folder}`,
      })
    if (needsStoppedServer(record)) await requireNoHolder(directory, given)
    const errors: CleanupFailure[] = []
    const directories = await restoreDirectories(directory, folder, errors)
    const database = await putDatabaseBack(directory, folder, record, signal)
    const rows = database ? 0 : await restoreKeptRows(directory, folder, errors)
    await removeStaleSuperJournals(directory, quarantine)
    await writeRunRecord(folder, { ...record, state: errors.length === 0 ? 'undone' : 'partly undone' })
    return {
      directory,
      run,
      directories,
      rows,
      database,
      errors,
      durationMs: Math.round(performance.now() - started),
    }
  })
}

function needsStoppedServer({ removed, state, database }: RunRecord): boolean {
  return removed.some(({ target }) => target === 'fts') || state === 'open' || database !== undefined
}

async function restoreDirectories(
  directory: string,
  folder: string,
  errors: CleanupFailure[],
): Promise<number> {
  const indexes = path.join(folder, INDEXES_FOLDER)
  let count = 0
  for (const name of await readdir(indexes)) {
    const target = path.join(directory, name)
    if (name.endsWith('~')) continue
    if (await exists(target)) {
      errors.push({ step: 'index-directories', code: 'EXISTS', message: `${target} is there again` })
      continue
    }
    try {
      const source = path.join(indexes, name)
      await moveDirectory(source, target, { files: await readdir(source) })
      count++
    } catch (error) {
      errors.push(failureOf('index-directories', explained(error, `put back ${target}`)))
    }
  }
  await syncFolder(directory)
  return count
}

async function restoreKeptRows(directory: string, folder: string, errors: CleanupFailure[]): Promise<number> {
  const file = path.join(folder, ROWS_FILE)
  if (!(await exists(file))) return 0
  const database = await openDatabase(path.join(directory, DATABASE_FILE), {
    mode: 'write',
    busyTimeoutMs: 60_000,
  })
  try {
    database.run('ATTACH DATABASE ? AS kept', file)
    const { rows, left } = restoreRows(database)
    for (const { table, count } of left)
      errors.push({
        step: table,
        code: 'IN_USE',
        message: `${count} rows of ${table} stay in the quarantine: their numbers or names are in use again`,
      })
    return rows
  } finally {
    database.close()
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}
