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
  /** Whether the library looks into the full-text index: SQLite does since 3.44. */
  readonly fullTextChecked: boolean
}

/**
 * `quick_check`, or `integrity_check`, which also compares tables with their indexes. One statement: it holds a
 * read lock until it has read the whole file, and cannot be interrupted.
 */
export function checkIntegrity(database: Database, thorough: boolean): IntegrityFacts {
  const name = thorough ? 'integrity_check' : 'quick_check'
  const lines = database
    .all(`PRAGMA ${name}(100)`)
    .map((row) => String(Object.values(row)[0]))
    .filter((line) => line !== 'ok')
  const isFullText = (line: string) => /FTS5 table|embedding_fulltext_search/.test(line)
  return {
    damage: lines.filter((line) => !isFullText(line)),
    fullText: lines.filter(isFullText),
    fullTextChecked: isAtLeast(database.sqliteVersion, 3, 44),
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number)
  return first > major || (first === major && second >= minor)
}

function pragma(database: Database, name: string): SqlValue {
  const row = database.get(`PRAGMA ${name}`)
  return row === undefined ? null : (Object.values(row)[0] ?? null)
}
