import { randomUUID } from 'node:crypto'
import { stat, statfs } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, OpsError, throwIfAborted } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { isJsonObject } from '../core/json.js'
import type { CollectionDefinition, CollectionName } from '../core/records.js'
import { DATABASE_FILE, openDataDirectory, type DataDirectory } from './data-directory.js'
import { withDirectoryLock } from './directory-lock.js'
import { ErasedTexts, type ErasureProof } from './erase-proof.js'
import { deleteRows, findDoomedRows, rebuildFullText, textsOf, type DoomedRows } from './erase-rows.js'
import { eraseVectors, findVectors, wipeUnused } from './erase-vectors.js'
import { requireNoHolder } from './holder.js'
import { DiskFullError } from './own-folder.js'
import { vacuumOnDisk, type Database } from './sqlite.js'

export interface EraseDirectoryJob {
  readonly directory: string
  /** Which ids are to go from a collection. */
  readonly idsIn: (collection: CollectionName) => ReadonlySet<string>
  readonly signal?: AbortSignal | undefined
}

/** What a collection of a data directory holds of the records. */
export interface DirectoryHolding extends CollectionName {
  readonly id: string
  /** Records that are there, by their ids. */
  readonly records: readonly string[]
  /** Rows of the write-ahead log about them, also about records that were deleted earlier. */
  readonly logRows: number
  /** Vectors in the files of the index, those of records that were deleted earlier included. */
  readonly vectors: number
}

export interface DirectoryErasure {
  readonly collections: readonly DirectoryHolding[]
  readonly proof: ErasureProof
  /** Size of the database before and after, in bytes. */
  readonly databaseBytes: { readonly before: number; readonly after: number }
}

/** The directory was made by a release whose directories are read but not changed. */
export class DirectoryTooOldError extends OpsError {
  override readonly code = 'DIRECTORY_TOO_OLD'
  override readonly exitCode = ExitCode.notSupported
}

/** What there is to erase; reads only, beside a running server too. */
export async function planDirectoryErasure(
  job: EraseDirectoryJob & { readonly tempDir: string },
): Promise<readonly DirectoryHolding[]> {
  const data = await openDataDirectory(job.directory, { tempDir: job.tempDir })
  try {
    const found: DirectoryHolding[] = []
    for (const each of await survey(data, job)) found.push(each.holding)
    return found
  } finally {
    data.close()
  }
}

/**
 * Erases records for good: rows, full-text index, write-ahead log, vectors, free pages; then searches every byte
 * of the directory for ids and texts. Nobody may work on the directory. Killed at any moment and run again, it
 * goes on where it was. There is no way back.
 *
 * Rejects with a DirectoryHeldError (11), HolderUnknownError (15), DirectoryLockedError (11),
 * {@link DirectoryTooOldError} (16), DiskFullError, or what opening the directory rejects with.
 */
export async function eraseFromDirectory(
  job: EraseDirectoryJob & {
    readonly serverStopped: boolean
    /** Where SQLite keeps temporary files, to be asked for space; absent: not asked. */
    readonly sqliteTempDir?: string | undefined
  },
): Promise<DirectoryErasure> {
  const { directory, serverStopped, signal } = job
  await requireNoHolder(directory, { serverStopped })
  return withDirectoryLock(directory, { purpose: 'erase', signal }, async (lock) => {
    const data = await openDataDirectory(directory, { mode: 'write' })
    try {
      refuseOld(data)
      const before = await sizeOf(directory)
      await requireRoom(directory, before)
      if (job.sqliteTempDir !== undefined) await requireTempRoom(job.sqliteTempDir, directory, before)
      const texts = new ErasedTexts()
      await lock.stillMine()
      const surveyed = await eraseRows(data, job, texts)
      for (const { holding, vectorSegment, doomed } of surveyed) {
        throwIfAborted(signal)
        if (vectorSegment !== null && holding.vectors > 0)
          await eraseVectors(path.join(directory, vectorSegment), doomed)
      }
      const withoutLengths = new Set(
        data
          .collections()
          .filter(hasNoLengths)
          .map(({ id }) => id),
      )
      for (const { id, scope, collectionId } of data.segments) {
        throwIfAborted(signal)
        const hasLengths = !withoutLengths.has(collectionId)
        if (scope === 'VECTOR') await wipeUnused(path.join(directory, id), { hasLengths })
      }
      // What was deleted earlier, by the server or in a run that was killed, is in free pages.
      vacuumOnDisk(data.database)
      const proof = await texts.prove(directory, data.database, signal)
      const databaseBytes = { before, after: await sizeOf(directory) }
      return { collections: surveyed.map(({ holding }) => holding), proof, databaseBytes }
    } finally {
      data.close()
    }
  })
}

interface Surveyed {
  readonly holding: DirectoryHolding
  readonly rows: DoomedRows
  readonly doomed: ReadonlySet<string>
  readonly vectorSegment: string | null
}

async function survey(
  data: DataDirectory,
  { directory, idsIn, signal }: EraseDirectoryJob,
): Promise<readonly Surveyed[]> {
  const surveyed: Surveyed[] = []
  for (const { tenant, database, name, id } of data.collections()) {
    throwIfAborted(signal)
    const doomed = idsIn({ tenant, database, name })
    if (doomed.size === 0) continue
    const segment = (scope: string) =>
      data.segments.find((each) => each.collectionId === id && each.scope === scope)?.id ?? null
    const [metadataSegment, vectorSegment] = [segment('METADATA'), segment('VECTOR')]
    const rows = findDoomedRows(data.database, { collectionId: id, metadataSegment, ids: doomed })
    const vectors =
      vectorSegment === null ? 0 : await findVectors(path.join(directory, vectorSegment), doomed)
    const records = [...rows.records.keys()]
    const holding = { tenant, database, name, id, records, logRows: rows.log.length, vectors }
    surveyed.push({ holding, rows, doomed, vectorSegment })
  }
  return surveyed
}

/** The rows go first: a run that is killed then leaves vectors without records, never records without vectors. */
async function eraseRows(
  data: DataDirectory,
  job: EraseDirectoryJob,
  texts: ErasedTexts,
): Promise<readonly Surveyed[]> {
  const { database } = data
  // Deleted bytes become zeros, in the database and in what its pages are reused for.
  database.exec('PRAGMA secure_delete = ON')
  database.exec('BEGIN IMMEDIATE')
  try {
    const surveyed = await survey(data, job)
    for (const { rows, doomed } of surveyed) {
      for (const id of doomed) texts.addId(id)
      for (const text of textsOf(database, rows)) texts.addText(text)
      deleteRows(database, rows, `erased-${randomUUID()}`)
    }
    rebuildFullText(database)
    database.exec('COMMIT')
    return surveyed
  } catch (error) {
    rollBack(database)
    throw error
  }
}

function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK')
  } catch (error) {
    // SQLite has rolled back by itself; the first error is the one to tell.
    if (!(error instanceof OpsError)) throw error
  }
}

/** Only cosine indexes keep the lengths of vectors; both places that can say the space must deny it. */
function hasNoLengths({ configuration, metadata }: CollectionDefinition): boolean {
  const hnsw = isJsonObject(configuration) ? configuration.get('hnsw') : undefined
  const space = isJsonObject(hnsw) ? hnsw.get('space') : undefined
  return (space === 'l2' || space === 'ip') && metadata?.get('hnsw:space') !== 'cosine'
}

function refuseOld({ path: directory, fingerprint }: DataDirectory): void {
  if (fingerprint.metadb >= FIRST_CHANGED_MIGRATION) return
  throw new DirectoryTooOldError(
    `${directory} was made by Chroma ${fingerprint.releases ?? 'before 1.0'}; only directories of 1.x are changed`,
    { hint: 'back it up, restore it into a new directory with --path, and erase there' },
  )
}

/** `metadb` of Chroma 1.0. */
const FIRST_CHANGED_MIGRATION = 5

/** VACUUM writes the database into a temporary file, and the old pages into the journal. */
async function requireRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  if (free >= 2 * bytes) return
  throw new DiskFullError(
    `erasing needs ${2 * bytes} bytes of free space beside ${directory}, there are ${free}`,
    {
      hint: 'free some space first: free pages can be wiped only by writing the database anew',
    },
  )
}

/** The temporary file may be on another file system than the directory. */
async function requireTempRoom(tempDir: string, directory: string, bytes: number): Promise<void> {
  try {
    if ((await stat(tempDir)).dev === (await stat(directory)).dev) return
    const { bavail, bsize } = await statfs(tempDir)
    const free = bavail * bsize
    if (free >= bytes) return
    throw new DiskFullError(
      `erasing needs ${bytes} bytes of free space in ${tempDir}, where SQLite keeps temporary files; there are ${free}`,
      { hint: 'set SQLITE_TMPDIR to a folder with more space, and run this again' },
    )
  } catch (error) {
    // SQLite chooses another folder then.
    if (!isErrno(error, 'ENOENT', 'EACCES')) throw error
  }
}

async function sizeOf(directory: string): Promise<number> {
  return (await stat(path.join(directory, DATABASE_FILE))).size
}
