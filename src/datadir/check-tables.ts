import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import type { Database } from './sqlite.js'

const MOST_LINES = 10

/**
 * What SQLite finds wrong with the pages of each table and its indexes, at most 10 lines. A `quick_check` of the
 * whole database would also compare the full-text index with the documents, which takes several times as long and
 * tells nothing about a copy of a file that nobody wrote to meanwhile.
 */
export async function checkTables(database: Database, signal?: AbortSignal): Promise<readonly string[]> {
  const tables = database.all(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
  )
  const lines: string[] = []
  for (const { name } of tables) {
    throwIfAborted(signal)
    const quoted = String(name).replaceAll('"', '""')
    const found = database.all(`PRAGMA quick_check("${quoted}")`).map((row) => String(Object.values(row)[0]))
    lines.push(...found.filter((line) => line !== 'ok'))
    await setImmediate()
  }
  return lines.slice(0, MOST_LINES)
}
