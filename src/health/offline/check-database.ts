import type { CollectionName } from '../../core/records.js'
import type { DataDirectory } from '../../datadir/data-directory.js'
import { inspectValues } from '../../datadir/inspect-values.js'
import { inspectLog, type LogFacts } from '../../datadir/inspect-log.js'
import { inspectMigrations } from '../../datadir/inspect-migrations.js'
import { findOrphanRows } from '../../datadir/inspect-orphans.js'
import {
  checkIntegrity,
  checksFullText,
  checkTables,
  fullTextBytes,
  inspectPages,
} from '../../datadir/inspect-pages.js'
import type { Database } from '../../datadir/sqlite.js'
import { inspectPositions, readPositions } from '../../datadir/inspect-sequence.js'
import { tablesOf } from '../../datadir/inspect-steps.js'
import type { HealthLevel } from '../report.js'
import type { Observation } from './catalogue.js'
import { fullTextObservations, logObservations, orphanObservations } from './check-rows.js'
import type { DatabaseHealth } from './directory-report.js'
import { bytesText } from './figures.js'

export interface CheckedDatabase {
  readonly health: DatabaseHealth
  readonly observations: readonly Observation[]
}

/** Without these nothing can be said; all releases since 0.4 have them. */
const NEEDED = [
  'collections',
  'segments',
  'embeddings',
  'embedding_metadata',
  'embeddings_queue',
  'max_seq_id',
]
/** Reading takes a moment per 100 MB, during which writers of a running server wait. */
const SMALL_BYTES = 128 * 1024 * 1024
const MAX_LINES = 3
/** The migration of `metadb` that made positions integers. */
const INTEGERS = 5

export async function checkDatabase(job: {
  readonly directory: DataDirectory
  readonly level: HealthLevel
  /** A server works on it, or may. */
  readonly held: boolean
  readonly nameOf: (collectionId: string) => CollectionName | null
  readonly signal: AbortSignal | undefined
}): Promise<CheckedDatabase> {
  const { directory, level, signal } = job
  const { database, fingerprint } = directory
  const pages = inspectPages(database)
  const bytes = pages.pageSize * pages.pages
  const freeBytes = pages.pageSize * pages.freePages
  const observations = [...schemaObservations(directory), ...fragmentation(bytes, freeBytes)]
  if (directory.recovered)
    observations.push({ id: 'JOURNAL_HOT', evidence: 'chroma.sqlite3-journal is to be rolled back' })
  const isChecked = level === 'deep' || (level === 'ready' && (!job.held || bytes <= SMALL_BYTES))
  if (isChecked) observations.push(...(await integrityObservations(directory, level === 'deep', signal)))
  else if (level === 'ready')
    observations.push({
      id: 'DATABASE_NOT_CHECKED',
      evidence: `its pages were left out: a server works on it, and it has ${bytesText(bytes)}`,
    })
  const tables = tablesOf(database)
  const isReadable = level !== 'live' && NEEDED.every((table) => tables.has(table))
  const rows = isReadable ? await checkRows(job) : null
  return {
    health: {
      library: database.library,
      sqliteVersion: database.sqliteVersion,
      releases: fingerprint.releases,
      migrations: {
        sysdb: fingerprint.sysdb,
        metadb: fingerprint.metadb,
        embeddingsQueue: fingerprint.embeddingsQueue,
      },
      recovered: directory.recovered,
      bytes,
      freeBytes,
      checked: isChecked ? (level === 'deep' ? 'thorough' : 'quick') : null,
      log: rows === null ? null : logFigures(rows.log),
    },
    observations: [...observations, ...(rows?.observations ?? [])],
  }

  async function checkRows(
    of: typeof job,
  ): Promise<Pick<CheckedDatabase, 'observations'> & { log: LogFacts }> {
    const positions = inspectPositions(database)
    const log = await inspectLog(database, readPositions(positions), signal)
    const values = await inspectValues(database, signal)
    const { fullText } = values
    const integers = fingerprint.metadb >= INTEGERS
    return {
      log,
      observations: [
        ...orphanObservations(await findOrphanRows(database, values, signal)),
        ...logObservations({ log, positions, integers, nameOf: of.nameOf }),
        ...(fullText === null ? [] : fullTextObservations(fullText)),
      ],
    }
  }
}

function schemaObservations({ database, fingerprint }: DataDirectory): Observation[] {
  const tables = tablesOf(database)
  const missing = NEEDED.filter((table) => !tables.has(table))
  const problems = inspectMigrations(database)
  const observations: Observation[] = []
  const counts = `sysdb ${fingerprint.sysdb}, metadb ${fingerprint.metadb}, embeddings_queue ${fingerprint.embeddingsQueue}`
  if (missing.length > 0)
    observations.push({ id: 'SCHEMA_MISSING', evidence: `there is no table ${missing.join(', ')}` })
  if (problems.length > 0) observations.push({ id: 'SCHEMA_INCONSISTENT', evidence: firstOf(problems) })
  else if (fingerprint.releases === null)
    observations.push({ id: 'SCHEMA_UNKNOWN', evidence: `migrations: ${counts}` })
  if (fingerprint.metadb > 0 && fingerprint.metadb < INTEGERS)
    observations.push({
      id: 'OLD_FORMAT',
      evidence: `migrations: ${counts} (${fingerprint.releases ?? 'no known release'})`,
    })
  return observations
}

async function integrityObservations(
  { database }: DataDirectory,
  thorough: boolean,
  signal: AbortSignal | undefined,
): Promise<Observation[]> {
  const { damage, fullText, fullTextChecked } = thorough
    ? checkIntegrity(database, true)
    : await checkTables(database, signal)
  const observations: Observation[] = []
  if (!fullTextChecked)
    observations.push({
      id: 'DATABASE_NOT_CHECKED',
      evidence: `its full-text index was left out: ${whyLeftOut(database)}`,
    })
  if (damage.length > 0) observations.push({ id: 'DATABASE_DAMAGED', evidence: firstOf(damage) })
  if (fullText.length > 0) observations.push({ id: 'FTS_DAMAGED', evidence: firstOf(fullText) })
  return observations
}

function whyLeftOut(database: Database): string {
  if (!checksFullText(database)) return `SQLite ${database.sqliteVersion} does not look into it`
  return `it has ${bytesText(fullTextBytes(database))}`
}

/** Below this, nobody misses the space. */
const MANY_FREE_BYTES = 16 * 1024 * 1024
const FREE_SHARE = 0.25
const MUCH_FREE_BYTES = 1024 * 1024 * 1024

function fragmentation(bytes: number, freeBytes: number): Observation[] {
  if (freeBytes < MANY_FREE_BYTES || freeBytes < bytes * FREE_SHARE) return []
  return [
    {
      id: 'DATABASE_FRAGMENTED',
      evidence: `${bytesText(freeBytes)} of ${bytesText(bytes)} hold nothing`,
      severity: freeBytes >= MUCH_FREE_BYTES ? 'warning' : 'info',
    },
  ]
}

function logFigures({ collections, purges }: LogFacts): DatabaseHealth['log'] {
  const all = [...collections.values()]
  return {
    rows: all.reduce((sum, { rows }) => sum + rows, 0),
    purgeable: all.reduce((sum, { purgeable }) => sum + purgeable, 0),
    purges,
  }
}

function firstOf(lines: readonly string[]): string {
  const more = lines.length > MAX_LINES ? `; and ${lines.length - MAX_LINES} more` : ''
  return lines.slice(0, MAX_LINES).join('; ') + more
}
