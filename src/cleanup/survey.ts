import { lstat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { fileSystemOf, type FileSystem } from '../datadir/file-system.js'
import { findHolder, type Holder } from '../datadir/holder.js'
import { inspectPages, type PageFacts } from '../datadir/inspect-pages.js'
import { tablesOf } from '../datadir/inspect-steps.js'
import { openDatabase, type Database } from '../datadir/sqlite.js'
import { OldDirectoryError } from './errors.js'
import { inspectFullText, type FullTextDifferences } from './full-text.js'
import { hasLiveSegment, listIndexDirectories, type IndexDirectory } from './index-directories.js'
import { readLogBounds, writeLogBounds } from './log-bounds.js'
import type { CleanupNotice, CleanupTarget } from './report.js'
import { LOG_RULE, ROW_RULES, type RowRule } from './row-rules.js'
import { examplesOf, sourceOf, windowsOf } from './sweep.js'

export const DATABASE_FILE = 'chroma.sqlite3'

/** Rows that fit a rule. */
export interface RowFacts {
  readonly rule: RowRule
  readonly count: number
  readonly bytes: number
  readonly examples: readonly string[]
}

/** Everything that a plan is made from. What no target asks for is empty or null. */
export interface CleanupFacts {
  /** Their ids. */
  readonly liveCollections: readonly string[]
  readonly orphanDirectories: readonly IndexDirectory[]
  readonly orphanRows: readonly RowFacts[]
  readonly log: RowFacts | null
  /** Whether purging is to be switched on. */
  readonly purgingIsOff: boolean
  readonly fullText: FullTextDifferences | null
  readonly pages: PageFacts
  readonly notices: readonly CleanupNotice[]
  readonly holder: Holder
  readonly fileSystem: FileSystem
  /** Free bytes where SQLite keeps its temporary files. */
  readonly tempFreeBytes: number
  /** Whether that is the same space as that of the directory. */
  readonly tempIsHere: boolean
}

export interface SurveyJob {
  readonly directory: string
  readonly targets: readonly CleanupTarget[]
  /** Where SQLite keeps its temporary files. */
  readonly sqliteTempDir: string
  readonly signal?: AbortSignal | undefined
}

/** Reads a data directory; changes nothing, and holds no lock for long. */
export async function surveyDirectory(job: SurveyJob): Promise<CleanupFacts> {
  const { directory, targets, signal } = job
  // Before the database is opened: what is listed later than the rows may be newer than they are.
  const { indexes, strange } = await listIndexDirectories(directory)
  const database = await openDatabase(path.join(directory, DATABASE_FILE), { mode: 'read' })
  try {
    requireSupported(database)
    const notices = [...strange]
    const wants = (target: CleanupTarget) => targets.includes(target)
    const orphanDirectories = wants('orphans')
      ? indexes.filter(({ name }) => !hasLiveSegment(database, name))
      : []
    const orphanRows = wants('orphans') ? await surveyRows(database, ROW_RULES, signal) : []
    if (wants('orphans')) notices.push(...unreachable(database))
    const log = wants('wal') ? await surveyLog(database, indexes, signal) : null
    notices.push(...(log?.notices ?? []))
    return {
      liveCollections: database.all('SELECT id FROM main.collections').map(({ id }) => String(id)),
      orphanDirectories,
      orphanRows,
      log: log?.rows ?? null,
      purgingIsOff: log?.purgingIsOff ?? false,
      fullText: wants('fts') ? await inspectFullText(database, signal) : null,
      pages: inspectPages(database),
      notices,
      holder: await findHolder(directory),
      fileSystem: await fileSystemOf(directory),
      ...(await temporarySpace(job)),
    }
  } finally {
    database.close()
  }
}

/** Rows of migrations in data of Chroma 1.0, by folder. */
const FIRST_SUPPORTED = [
  ['sysdb', 9],
  ['metadb', 5],
  ['embeddings_queue', 2],
] as const

/** Rejects data of a Chroma before 1.0: an older server has other rules. */
export function requireSupported(database: Database): void {
  for (const [folder, least] of FIRST_SUPPORTED) {
    const row = database.get('SELECT count(*) AS n FROM main.migrations WHERE dir = ?', folder)
    if (Number(row?.['n'] ?? 0) < least)
      throw new OldDirectoryError('the data directory was written by a Chroma before 1.0', {
        hint: 'only data of Chroma 1.0 and newer can be cleaned; back it up, then let a newer server open it',
      })
  }
}

/** Rules that fit no row are left out. */
export async function surveyRows(
  database: Database,
  rules: readonly RowRule[],
  signal?: AbortSignal,
): Promise<readonly RowFacts[]> {
  const tables = tablesOf(database)
  const found: RowFacts[] = []
  for (const rule of rules) {
    if (!tables.has(rule.table) || !tables.has(sourceOf(rule))) continue
    let [count, bytes] = [0, 0]
    let examples: readonly string[] = []
    for await (const window of windowsOf(database, rule, signal)) {
      if (count === 0) examples = examplesOf(database, rule, window)
      count += window.count
      bytes += window.bytes
    }
    if (count > 0) found.push({ rule, count, bytes, examples })
  }
  return found
}

/** The segments whose five files are all there. */
export function savedSegments(indexes: readonly IndexDirectory[]): (segment: string) => boolean {
  const saved = new Set(indexes.filter(({ files }) => files.length === 5).map(({ name }) => name))
  return (segment) => saved.has(segment)
}

async function surveyLog(
  database: Database,
  indexes: readonly IndexDirectory[],
  signal: AbortSignal | undefined,
) {
  const bounds = readLogBounds(database, savedSegments(indexes))
  writeLogBounds(database, bounds)
  const [rows = null] = await surveyRows(database, [LOG_RULE], signal)
  // A log that must not be purged by us must not be purged by the server either.
  const purgingIsOff = bounds.purges === false && bounds.notices.length === 0
  return { rows, notices: bounds.notices, purgingIsOff }
}

/** Told, not touched: an operator may still want them. */
function unreachable(database: Database): readonly CleanupNotice[] {
  const databases = database.all(
    'SELECT tenant_id, name FROM main.databases WHERE tenant_id NOT IN (SELECT id FROM main.tenants) LIMIT 100',
  )
  const collections = database.all(
    'SELECT name FROM main.collections WHERE database_id NOT IN (SELECT id FROM main.databases) LIMIT 100',
  )
  return [
    ...databases.map((row) => ({
      code: 'DATABASE_WITHOUT_TENANT',
      message: `database ${String(row['name'])} belongs to tenant ${String(row['tenant_id'])}, which does not exist; it is not touched`,
    })),
    ...collections.map((row) => ({
      code: 'COLLECTION_WITHOUT_DATABASE',
      message: `collection ${String(row['name'])} belongs to a database that does not exist; it is not touched`,
    })),
  ]
}

async function temporarySpace({ directory, sqliteTempDir }: SurveyJob) {
  try {
    const [there, here] = [await lstat(sqliteTempDir), await lstat(directory)]
    const { freeBytes } = await fileSystemOf(sqliteTempDir)
    return { tempFreeBytes: freeBytes, tempIsHere: there.dev === here.dev }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES')) throw error
    return { tempFreeBytes: 0, tempIsHere: false }
  }
}
