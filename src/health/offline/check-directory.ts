import path from 'node:path'

import type { ChromaApi } from '../../chroma/api.js'
import type { ServerOptions } from '../../chroma/transport.js'
import { selectCollections, type CollectionSelection } from '../../core/collection-pattern.js'
import { isErrno, UsageError } from '../../core/errors.js'
import type { Progress } from '../../core/progress.js'
import type { CollectionDefinition } from '../../core/records.js'
import { openDataDirectory, type DataDirectory } from '../../datadir/data-directory.js'
import { inspectFolder, type FolderFacts } from '../../datadir/inspect-folder.js'
import { bySeverity, statusOf, type HealthLevel } from '../report.js'
import { directoryFinding, type Observation } from './catalogue.js'
import { backupObservations } from './check-backup.js'
import { checkCollections, type CheckedCollections } from './check-collections.js'
import { checkDatabaseApart } from './check-database-apart.js'
import { checkDatabase, type CheckedDatabase } from './check-database.js'
import { folderObservations, missingDatabase } from './check-folder.js'
import { leftoverObservations } from './check-leftovers.js'
import { checkServerView, checkUpgrade } from './check-other-views.js'
import { checkSurroundings } from './check-surroundings.js'
import type { DirectoryReport, LastBackup } from './directory-report.js'
import { readable, unreadable } from './unreadable.js'

export interface DirectoryHealthJob {
  /** The data directory. Nothing in it is changed. */
  readonly path: string
  /**
   * `live`: it can be opened, and its migrations are known. `ready`: everything that can be told without
   * comparing values. `deep`: `integrity_check`, and every vector is looked at.
   */
  readonly level: HealthLevel
  /** Default: all. What belongs to no collection is always looked at. */
  readonly selection?: CollectionSelection
  /** A folder for temporary files: for a database that a killed writer left, and for rehearsals. */
  readonly tempDir: string
  /** Where SQLite of the server puts its temporary files; default: `tempDir`. */
  readonly sqliteTempDir?: string
  /** Bytes of memory of the machine; without it nothing is said of memory. */
  readonly memoryBytes?: number
  /** A server that works on the directory: both views are compared. */
  readonly server?: ServerOptions | ChromaApi
  /** The newest complete backup of the directory: a backup repository knows. */
  readonly lastBackup?: (signal: AbortSignal | undefined) => Promise<LastBackup>
  /** A version of Chroma, such as `1.5`: what changing to it would mean, rehearsed on a copy. */
  readonly upgradeTo?: string
  /** Where an adapted copy of the server may be kept; needed for rehearsals. */
  readonly cacheDir?: string
  readonly now?: () => Date
  readonly progress: Progress
  readonly signal?: AbortSignal
}

/**
 * Looks at a data directory without a server. Reads, and never changes anything: a running server only ever
 * waits for a moment. What is wrong with the directory is a finding, also that there is none. Rejects with a
 * SqliteMissingError, a DatabaseBusyError, a UsageError, an AbortedError, and file system errors.
 */
export async function checkDirectory(job: DirectoryHealthJob): Promise<DirectoryReport> {
  if (job.upgradeTo !== undefined && !/^\d+(\.\d+){0,2}$/.test(job.upgradeTo))
    throw new UsageError(`"${job.upgradeTo}" is not a version of Chroma`, { hint: 'such as 1.5 or 1.5.9' })
  const started = performance.now()
  const now = job.now ?? (() => new Date())
  const startedAt = now().toISOString()
  const examination = await examine({ ...job, path: path.resolve(job.path) }, now)
  const { observations, ...facts } = examination
  const findings = bySeverity(
    observations.map((observation) => directoryFinding(path.resolve(job.path), observation)),
  )
  return {
    status: statusOf(findings),
    level: job.level,
    path: path.resolve(job.path),
    startedAt,
    durationMs: Math.round(performance.now() - started),
    ...facts,
    findings,
  }
}

type Facts = Omit<DirectoryReport, 'status' | 'level' | 'path' | 'startedAt' | 'durationMs' | 'findings'>
type Examination = Facts & { readonly observations: readonly Observation[] }

async function examine(job: DirectoryHealthJob, now: () => Date): Promise<Examination> {
  const backup = (await job.lastBackup?.(job.signal)) ?? null
  const ofBackup = backup === null ? [] : backupObservations(backup, now())
  const folder = await inspectFolder(job.path).catch(notThere)
  if (!folder?.hasDatabase)
    return { ...NOTHING, backup, observations: [await missingDatabase(job.path, folder), ...ofBackup] }
  const surroundings = await checkSurroundings({
    directory: job.path,
    sqliteTempDir: job.sqliteTempDir ?? job.tempDir,
    databaseBytes: folder.databaseBytes,
  })
  const facts = { holder: surroundings.holder, disk: surroundings.disk, backup }
  const observations = [...surroundings.observations, ...ofBackup]
  const opened = await open(job)
  if (!('database' in opened)) return { ...NOTHING, ...facts, observations: [opened, ...observations] }
  try {
    const found = await examineOpened({ ...job, now }, opened, folder, surroundings.holder.state)
    return { ...facts, ...found, observations: [...found.observations, ...observations] }
  } finally {
    opened.close()
  }
}

const NOTHING: Facts = {
  database: null,
  holder: { state: 'free' },
  disk: null,
  indexes: null,
  collections: [],
  backup: null,
  upgrade: null,
  server: null,
}

type Found = Pick<Facts, 'database' | 'indexes' | 'collections' | 'upgrade' | 'server'> & {
  readonly observations: readonly Observation[]
}

async function examineOpened(
  job: DirectoryHealthJob & { readonly now: () => Date },
  directory: DataDirectory,
  folder: FolderFacts,
  holder: DirectoryReport['holder']['state'],
): Promise<Found> {
  const { level, now } = job
  const definitions = definitionsOf(directory)
  const all = 'id' in definitions ? [] : definitions
  const { database, collections } = await withBoth(
    job.signal,
    (signal) => readable(() => databaseOf({ ...job, signal }, directory, all, holder, folder)),
    (signal) => readable(() => collectionsOf({ ...job, signal }, directory, all, holder)),
  )
  const observations = [
    ...('id' in definitions ? [definitions] : []),
    ...observationsOf(database),
    ...observationsOf(collections),
    ...folderObservations(folder, directory.segments, level),
    ...(level === 'live' ? [] : leftoverObservations(all, now().getTime())),
  ]
  const checked = 'id' in collections ? [] : collections.collections
  const views = { job, directory, collections: checked, holder }
  const upgrade = await checkUpgrade(views)
  const server = await checkServerView(views)
  return {
    database: 'id' in database ? null : database.health,
    indexes:
      'id' in collections || level === 'live'
        ? null
        : { ...collections.indexes, allocatedBytes: allocated(folder) },
    collections: checked,
    upgrade: upgrade.report,
    server: server.report,
    observations: unique([...observations, ...upgrade.observations, ...server.observations]),
  }
}

/** Database and indexes at the same time; when one fails, the other is stopped. */
async function withBoth<D, C>(
  signal: AbortSignal | undefined,
  checkDatabase: (signal: AbortSignal) => Promise<D>,
  checkCollections: (signal: AbortSignal) => Promise<C>,
): Promise<{ readonly database: D; readonly collections: C }> {
  const stopping = new AbortController()
  const both = AbortSignal.any([stopping.signal, ...(signal === undefined ? [] : [signal])])
  try {
    const [database, collections] = await Promise.all([checkDatabase(both), checkCollections(both)])
    return { database, collections }
  } finally {
    stopping.abort()
  }
}

/** A smaller one is checked sooner than a process has started. */
const APART_BYTES = 32 * 1024 * 1024

function databaseOf(
  job: DirectoryHealthJob & { readonly signal: AbortSignal },
  directory: DataDirectory,
  definitions: readonly CollectionDefinition[],
  holder: DirectoryReport['holder']['state'],
  { databaseBytes }: FolderFacts,
): Promise<CheckedDatabase | Observation> {
  const { level, signal } = job
  const held = holder === 'held'
  // What was recovered is a copy that nobody else knows.
  if (level !== 'live' && databaseBytes >= APART_BYTES && !directory.recovered)
    return checkDatabaseApart({ directory: job.path, level, held }, signal)
  const byId = new Map(definitions.map((definition) => [definition.id, definition]))
  return checkDatabase({ directory, level, held, nameOf: (id) => byId.get(id) ?? null, signal })
}

function collectionsOf(
  job: DirectoryHealthJob,
  directory: DataDirectory,
  definitions: readonly CollectionDefinition[],
  holder: DirectoryReport['holder']['state'],
): Promise<CheckedCollections> {
  const selection = job.selection ?? { include: [], exclude: [] }
  return checkCollections({
    directory,
    definitions: selectCollections(definitions, selection),
    level: job.level,
    live: holder !== 'free',
    memoryBytes: job.memoryBytes ?? null,
    progress: job.progress,
    signal: job.signal,
  })
}

async function open(job: DirectoryHealthJob): Promise<DataDirectory | Observation> {
  return readable(() => openDataDirectory(job.path, { tempDir: job.tempDir }))
}

function definitionsOf(directory: DataDirectory): readonly CollectionDefinition[] | Observation {
  try {
    return directory.collections()
  } catch (error) {
    return unreadable(error)
  }
}

function observationsOf(checked: CheckedDatabase | CheckedCollections | Observation): readonly Observation[] {
  return 'id' in checked ? [checked] : checked.observations
}

/** Every step stumbles over the same damaged page. */
function unique(observations: readonly Observation[]): readonly Observation[] {
  const seen = new Set<string>()
  return observations.filter((observation) => {
    const key = JSON.stringify([observation.id, observation.collection?.name ?? null, observation.evidence])
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

function allocated({ segmentFolders }: FolderFacts): number {
  return segmentFolders.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0)
}

function notThere(error: unknown): null {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
  throw error
}
