import { setImmediate } from 'node:timers/promises'

import { throwIfAborted } from '../core/errors.js'
import { tablesOf } from './inspect-steps.js'
import type { Database, SqlValue } from './sqlite.js'

/** How full the database file is. */
export interface PageFacts {
  readonly pageSize: number
  readonly pages: number
  /** Pages that hold nothing; only a vacuum gives them back. */
  readonly freePages: number
  /** `delete` in every database that Chroma made. */
  readonly journalMode: string
}

export function inspectPages(database: Database): PageFacts {
  return {
    pageSize: Number(pragma(database, 'page_size')),
    pages: Number(pragma(database, 'page_count')),
    freePages: Number(pragma(database, 'freelist_count')),
    journalMode: String(pragma(database, 'journal_mode')),
  }
}

export interface IntegrityFacts {
  /** What SQLite says, at most 100 lines; empty when all is well. */
  readonly damage: readonly string[]
  /** What it says of the full-text index. */
  readonly fullText: readonly string[]
  /** SQLite looks into the full-text index since 3.44. */
  readonly fullTextChecked: boolean
}

/**
 * `quick_check`, or `integrity_check`, which also compares tables with their indexes. One statement: it holds a
 * read lock until it has read the whole file, and cannot be interrupted.
 */
export function checkIntegrity(database: Database, thorough: boolean, signal?: AbortSignal): IntegrityFacts {
  throwIfAborted(signal)
  const lines = check(database, thorough ? 'integrity_check(100)' : 'quick_check(100)')
  return factsOf(database, lines, true)
}

const BLOCK_BYTES = 4096
/** More of them take seconds. */
const MOST_BLOCKS = 16_384

/**
 * `quick_check` of one table after the other, with turns for others in between, and the full-text index only if
 * it is small: all its documents are taken apart again for that.
 */
export async function checkTables(database: Database, signal?: AbortSignal): Promise<IntegrityFacts> {
  const isSmall = fullTextBlocks(database) <= MOST_BLOCKS
  const lines: string[] = []
  for (const table of checkedTables(database, isSmall)) {
    throwIfAborted(signal)
    lines.push(...check(database, `quick_check("${table.replaceAll('"', '""')}")`))
    await setImmediate()
  }
  return factsOf(database, lines, isSmall)
}

/** Whether this SQLite looks into a full-text index when it checks. */
export function checksFullText(database: Database): boolean {
  return isAtLeast(database.sqliteVersion, 3, 44)
}

/** About what the inverted index takes. */
export function fullTextBytes(database: Database): number {
  return fullTextBlocks(database) * BLOCK_BYTES
}

function factsOf(database: Database, lines: readonly string[], withFullText: boolean): IntegrityFacts {
  const isFullText = (line: string) => /FTS5 table|embedding_fulltext_search/.test(line)
  return {
    damage: lines.filter((line) => !isFullText(line)),
    fullText: lines.filter(isFullText),
    fullTextChecked: withFullText && checksFullText(database),
  }
}

function check(database: Database, pragmaCall: string): readonly string[] {
  return database
    .all(`PRAGMA ${pragmaCall}`)
    .map((row) => String(Object.values(row)[0]))
    .filter((line) => line !== 'ok')
}

function checkedTables(database: Database, withVirtual: boolean): readonly string[] {
  return database
    .all("SELECT name, sql LIKE 'CREATE VIRTUAL%' AS virtual FROM sqlite_master WHERE type = 'table'")
    .filter(({ virtual }) => withVirtual || virtual !== 1n)
    .map(({ name }) => String(name))
}

function fullTextBlocks(database: Database): number {
  const name = 'embedding_fulltext_search_data'
  if (!tablesOf(database).has(name)) return 0
  return Number(database.get(`SELECT count(*) AS n FROM ${name}`)?.['n'] ?? 0)
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number)
  return first > major || (first === major && second >= minor)
}

function pragma(database: Database, name: string): SqlValue {
  const row = database.get(`PRAGMA ${name}`)
  return row === undefined ? null : (Object.values(row)[0] ?? null)
}
