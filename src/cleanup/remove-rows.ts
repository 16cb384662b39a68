import { open } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import { explained } from '../datadir/own-folder.js'
import type { Database } from '../datadir/sqlite.js'
import { giveToOwner } from '../datadir/swap-files.js'
import type { RowRule } from './row-rules.js'
import { ROWS_FILE } from './run-record.js'
import { columnsOf, cut, quoted, sourceOf, windowsOf, type Window } from './sweep.js'

/** Rows of one transaction: a running server's writers wait for it. */
const ROWS_PER_TRANSACTION = 1_000

/**
 * Attaches the file that keeps removed rows as `kept`, once. SQLite commits both files as one, so a row is in exactly
 * one of them, whatever happens.
 */
export async function attachKept(database: Database, folder: string, directory: string): Promise<void> {
  const attached = database.all("SELECT 1 FROM pragma_database_list WHERE name = 'kept'")
  if (attached.length > 0) return
  const file = path.join(folder, ROWS_FILE)
  try {
    const handle = await open(file, 'a', 0o600)
    await handle.close()
    await giveToOwner(file, directory)
  } catch (error) {
    throw explained(error, `make ${file}`)
  }
  database.run('ATTACH DATABASE ? AS kept', file)
}

export interface RemoveRowsJob {
  readonly database: Database
  readonly rule: RowRule
  /** Whether they are kept in the attached file. */
  readonly keep: boolean
  readonly signal?: AbortSignal | undefined
}

/** Removes the rows that fit, decided again under the write lock, in short transactions. */
export async function removeRows(job: RemoveRowsJob): Promise<{ count: number; bytes: number }> {
  const { database, rule, keep, signal } = job
  if (keep) makeKeptTable(database, rule)
  let [count, bytes] = [0, 0]
  for await (const window of windowsOf(database, rule, signal)) {
    bytes += window.bytes
    for (let rest: Window | null = window; rest !== null;) {
      throwIfAborted(signal)
      const piece = cut(database, rule, rest, ROWS_PER_TRANSACTION)
      if (piece === null) break
      count += inTransaction(database, () => removePiece(job, piece))
      rest = piece.upTo < window.upTo ? { above: piece.upTo, upTo: window.upTo } : null
      await setImmediate()
    }
  }
  return { count, bytes }
}

/** `BEGIN IMMEDIATE` … `COMMIT`, or `ROLLBACK` when the work throws. */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    rollBack(database)
    throw error
  }
}

/** `rows_` and the table's name: the row's own number, then its columns, of whatever type they are. */
export function keptTable(table: string): string {
  return `kept.${quoted(`rows_${table}`)}`
}

function makeKeptTable(database: Database, rule: RowRule): void {
  const columns = columnsOf(database, rule.table).map(quoted)
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${keptTable(rule.table)} (kept_rowid INTEGER PRIMARY KEY, ${columns.join(', ')})`,
  )
}

function removePiece({ database, rule, keep }: RemoveRowsJob, { above, upTo }: Window): number {
  const source = `main.${sourceOf(rule)} AS t`
  const fits = `t.${rule.key} > ? AND t.${rule.key} <= ? AND (${rule.where})`
  if (keep) {
    const columns = columnsOf(database, sourceOf(rule)).map((column) => `t.${quoted(column)}`)
    // The content of the full-text index has its number as a column of its own.
    const values = rule.readFrom === undefined ? ['t.rowid', ...columns] : columns
    database.run(
      `INSERT INTO ${keptTable(rule.table)} SELECT ${values.join(', ')} FROM ${source} WHERE ${fits}`,
      above,
      upTo,
    )
  }
  if (rule.readFrom === undefined)
    return database.run(`DELETE FROM ${source} WHERE ${fits}`, above, upTo).changes
  const doomed = database.all(`SELECT t.id AS id FROM ${source} WHERE ${fits}`, above, upTo)
  for (const { id = null } of doomed) database.run(`DELETE FROM main.${rule.table} WHERE rowid = ?`, id)
  return doomed.length
}

function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // A full disk has rolled it back already; why is told by the error that brought us here.
  }
}
