import type { Database } from '../datadir/sqlite.js'
import { DatabaseDamagedError } from '../datadir/errors.js'
import { throwIfAborted } from '../core/errors.js'
import { FULL_TEXT_RULES, type FullTextDifference } from './full-text.js'
import { inTransaction } from './remove-rows.js'
import { windowsOf, type Window } from './sweep.js'

const INDEX = 'embedding_fulltext_search'

/** What the full-text index held before, and which entries were added. */
const KEPT_BEFORE = 'kept.full_text_before'
const KEPT_ADDED = 'kept.full_text_added'

export interface FixFullTextJob {
  readonly database: Database
  /** Whether the entries as they were are kept in the attached file. */
  readonly keep: boolean
  readonly signal?: AbortSignal | undefined
}

/** Makes the index agree with the documents; rebuilds its structure where that is damaged. Needs a stopped server. */
export async function fixFullText(job: FixFullTextJob): Promise<{ count: number; bytes: number }> {
  const { database, keep, signal } = job
  if (keep) makeKeptTables(database)
  // An index that is damaged inside cannot be told to forget an entry.
  if (!isSound(database)) rebuild(database)
  let [count, bytes] = [0, 0]
  for (const rule of FULL_TEXT_RULES)
    for await (const window of windowsOf(database, rule, signal)) {
      throwIfAborted(signal)
      count += inTransaction(database, () => fixWindow(job, rule, window))
      bytes += window.bytes
    }
  if (!isSound(database)) rebuild(database)
  if (!isSound(database)) throw new DatabaseDamagedError(INDEX, { message: 'it cannot be rebuilt' })
  return { count, bytes }
}

/** Gives the index the entries that it had. */
export function restoreFullText(database: Database): number {
  const tables = database.all("SELECT name FROM kept.sqlite_master WHERE name = 'full_text_before'")
  if (tables.length === 0) return 0
  const added = database.all(`SELECT id FROM ${KEPT_ADDED}`)
  for (const { id = null } of added) database.run(`DELETE FROM main.${INDEX} WHERE rowid = ?`, id)
  const { changes } = database.run(
    `INSERT INTO main.${INDEX} (rowid, string_value) SELECT id, text FROM ${KEPT_BEFORE}`,
  )
  database.exec(`DELETE FROM ${KEPT_ADDED}; DELETE FROM ${KEPT_BEFORE}`)
  return added.length + changes
}

function makeKeptTables(database: Database): void {
  database.exec(`CREATE TABLE IF NOT EXISTS ${KEPT_BEFORE} (id INTEGER PRIMARY KEY, text)`)
  database.exec(`CREATE TABLE IF NOT EXISTS ${KEPT_ADDED} (id INTEGER PRIMARY KEY)`)
}

function fixWindow(
  { database, keep }: FixFullTextJob,
  { table, key, where, difference }: FullTextDifference,
  { above, upTo }: Window,
): number {
  const ids = database
    .all(
      `SELECT t.id AS id FROM main.${table} AS t WHERE t.${key} > ? AND t.${key} <= ? AND (${where})`,
      above,
      upTo,
    )
    .map(({ id = null }) => id)
  for (const id of ids) {
    if (difference !== 'missing') {
      if (keep)
        database.run(`INSERT INTO ${KEPT_BEFORE} SELECT id, c0 FROM main.${INDEX}_content WHERE id = ?`, id)
      database.run(`DELETE FROM main.${INDEX} WHERE rowid = ?`, id)
    }
    if (difference === 'surplus') continue
    // Within SQLite, so that a text with NUL bytes, or one that is not UTF-8, arrives as it is.
    database.run(
      `INSERT INTO main.${INDEX} (rowid, string_value)
       SELECT id, string_value FROM main.embedding_metadata WHERE id = ? AND key = 'chroma:document'`,
      id,
    )
    if (keep) database.run(`INSERT INTO ${KEPT_ADDED} VALUES (?)`, id)
  }
  return ids.length
}

/** Whether the inverted index agrees with the texts that it was made from. */
function isSound(database: Database): boolean {
  try {
    database.run(`INSERT INTO main.${INDEX} (${INDEX}, rank) VALUES ('integrity-check', 0)`)
    return true
  } catch (error) {
    if (error instanceof DatabaseDamagedError) return false
    throw error
  }
}

function rebuild(database: Database): void {
  database.run(`INSERT INTO main.${INDEX} (${INDEX}) VALUES ('rebuild')`)
}
