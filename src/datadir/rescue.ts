import { rename, rm, mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { DATABASE_FILE, openDataDirectory, type DataDirectory, type Segment } from './data-directory.js'
import { DirectorySource } from './directory-source.js'
import { DatabaseDamagedError, NotADataDirectoryError } from './errors.js'
import { findHolder, holderText } from './holder.js'
import { copyForRescue, type RescueCopy } from './rescue-copy.js'
import { createTables, isSound, salvageDatabase } from './rescue-database.js'
import { addVectorOnly, dropTextsWithoutId, fillGaps, inventCollections } from './rescue-gaps.js'
import { repairIndexCopy, type RepairedIndex } from './rescue-index.js'
import { matchByOrder } from './rescue-order.js'
import { RescueSource, type CollectionDamage, type RescueSourceParts } from './rescue-source.js'
import { maxSeqIdOf } from './seq-id.js'
import { openDatabase, type Database } from './sqlite.js'

export interface RescueJob {
  readonly directory: string
  /** For a private copy, as large as the directory without its links; removed by `close`. */
  readonly tempDir: string
  /** Where the list of ids is lost: match vectors and records by their order, if there are as many of both. */
  readonly matchByOrder: boolean
  readonly onRecord: RescueSourceParts['onRecord']
  readonly signal?: AbortSignal | undefined
}

/** A damaged directory, made readable as far as it goes. */
export interface Rescue {
  readonly source: RescueSource
  /** What is wrong with the directory as a whole, one sentence each. */
  readonly notes: readonly string[]
  /** Of the migrations: what made the directory, as far as it can be told. */
  readonly releases: string | null
  close(): Promise<void>
}

/**
 * Copies a damaged data directory and makes the copy readable: rows around damaged pages, ids from a list that is
 * cut off, vectors from files that end early. The directory itself is only read. Rejects with a
 * {@link NotADataDirectoryError} when there is neither a database nor an index, with file system errors, or with an
 * AbortedError.
 */
export async function prepareRescue(job: RescueJob): Promise<Rescue> {
  const folder = await mkdtemp(path.join(job.tempDir, 'chroma-ops-rescue-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const holder = await findHolder(job.directory)
    const copy = await copyForRescue(job.directory, folder, job.signal)
    const notes = [
      ...(holder.state === 'held'
        ? [
            `the directory was in use by ${holderText(holder)} while it was copied: stop that, and rescue again`,
          ]
        : []),
      ...copy.unreadable,
    ]
    const damage = await repairCopy(job, copy, notes)
    const data = await openDataDirectory(folder)
    return {
      source: sourceOf(job, data, damage),
      notes,
      releases: data.fingerprint.releases,
      async close() {
        data.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

type Damage = ReadonlyMap<string, CollectionDamage>

function sourceOf({ directory, onRecord }: RescueJob, data: DataDirectory, damage: Damage): RescueSource {
  const nothing = {
    vectorOnly: new Set<string>(),
    vectorsWithoutId: 0,
    notes: [],
    textsLost: false,
    rowsLost: null,
  }
  return new RescueSource({
    inner: new DirectorySource(data),
    displayUrl: directory,
    damage: ({ id }) => damage.get(id) ?? nothing,
    onRecord,
  })
}

async function repairCopy(job: RescueJob, copy: RescueCopy, notes: string[]): Promise<Damage> {
  const opened = await openSalvaged(job, copy, notes)
  const { database, lostTables } = opened
  try {
    database.exec('PRAGMA foreign_keys = OFF')
    const rowsLost = lostTables.size > 0
    const indexes = new Map<string, RepairedIndex>()
    const expectations = opened.readable ? expectedIndexes(database) : new Map<string, ExpectedOf>()
    for (const folder of copy.folders) {
      const expected = expectations.get(folder) ?? UNKNOWN
      indexes.set(folder, await repairIndexCopy(path.join(copy.path, folder), expected))
    }
    if (opened.readable) notes.push(...fillGaps(database, indexes, { rowsLost }))
    else notes.push(...inventCollections(database, indexes))
    if (job.matchByOrder && opened.readable && !lostTables.has('embeddings'))
      await matchAll(database, copy, indexes)
    if (lostTables.has('embeddings')) {
      const texts = dropTextsWithoutId(database)
      if (texts > 0)
        notes.push(`${texts} records have lost their ids: their documents and metadata are left out`)
    }
    return damageOf(database, indexes, lostTables, opened.readable)
  } finally {
    database.close()
  }
}

async function matchAll(
  database: Database,
  copy: RescueCopy,
  indexes: Map<string, RepairedIndex>,
): Promise<void> {
  const rows = database.all(
    `SELECT v.id AS vector, m.id AS metadata, v.collection AS collection FROM segments v
     JOIN segments m ON m.collection = v.collection AND m.scope = 'METADATA' WHERE v.scope = 'VECTOR'`,
  )
  for (const row of rows) {
    const vectorSegment = String(row['vector'])
    const index = indexes.get(vectorSegment)
    if (index === undefined || index.labels.size > 0 || index.elements === 0) continue
    const { labels, note } = await matchByOrder({
      database,
      collectionId: String(row['collection']),
      metadataSegment: String(row['metadata']),
      vectorSegment,
      folder: path.join(copy.path, vectorSegment),
    })
    indexes.set(vectorSegment, {
      ...index,
      labels: labels ?? index.labels,
      notes: [...index.notes, note],
    })
  }
}

interface Opened {
  readonly database: Database
  /** False: not one row could be read of it. */
  readonly readable: boolean
  readonly lostTables: ReadonlySet<string>
}

async function openSalvaged({ directory }: RescueJob, copy: RescueCopy, notes: string[]): Promise<Opened> {
  const file = path.join(copy.path, DATABASE_FILE)
  const damaged = await openOrNull(file)
  if (damaged !== null && isSound(damaged))
    return { database: damaged, readable: true, lostTables: new Set() }
  if (damaged === null && copy.folders.length === 0)
    throw new NotADataDirectoryError(directory, 'there is neither a database nor an index in it')
  damaged?.close()
  const aside = `${file}.damaged`
  await rename(file, aside).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
  await rm(`${file}-journal`, { force: true })
  await writeFile(file, '')
  const database = await openDatabase(file, { mode: 'write' })
  const source = damaged === null ? null : await openDatabase(aside, { mode: 'write' })
  if (source === null) {
    notes.push(`${DATABASE_FILE} cannot be read at all: documents and metadata are lost`)
    createTables(database)
    database.run("INSERT INTO migrations VALUES ('sysdb', 10, '', '', ''), ('metadb', 6, '', '', '')")
    return { database, readable: false, lostTables: new Set(['embeddings', 'embedding_metadata']) }
  }
  try {
    const tables = salvageDatabase(source, database)
    const lost = tables.filter((table) => table.lost.length > 0)
    for (const { name, rows, lost: ranges } of lost)
      notes.push(`${name}: ${rows} rows could be read; ${ranges.length} stretches of row ids could not`)
    if (lost.length === 0) notes.push(`${DATABASE_FILE} is damaged, but all rows of records could be read`)
    ensureMigrations(database)
    return { database, readable: true, lostTables: new Set(lost.map(({ name }) => name)) }
  } finally {
    source.close()
  }
}

/** Without any, the directory would not be taken for one of Chroma's. */
function ensureMigrations(database: Database): void {
  if (database.get('SELECT 1 FROM migrations') !== undefined) return
  database.run("INSERT INTO migrations VALUES ('sysdb', 10, '', '', ''), ('metadb', 6, '', '', '')")
}

/** Null when it is missing, or no SQLite database. */
async function openOrNull(file: string): Promise<Database | null> {
  try {
    // For writing: that is what rolls an unfinished transaction back.
    return await openDatabase(file, { mode: 'write' })
  } catch (error) {
    if (error instanceof DatabaseDamagedError || error instanceof NotADataDirectoryError) return null
    throw error
  }
}

type ExpectedOf = Parameters<typeof repairIndexCopy>[1]

const DEFAULT_NEIGHBOURS = 16
const UNKNOWN: ExpectedOf = {
  dimension: null,
  maxNeighbours: DEFAULT_NEIGHBOURS,
  cosine: false,
  wasSaved: true,
}

/** By the name of the folder. */
function expectedIndexes(database: Database): Map<string, ExpectedOf> {
  const expected = new Map<string, ExpectedOf>()
  const rows = database.all(
    `SELECT s.id, c.dimension, c.schema_str, c.config_json_str FROM segments s JOIN collections c ON c.id = s.collection
     WHERE s.scope = 'VECTOR'`,
  )
  for (const { id, dimension, schema_str: schema, config_json_str: config } of rows) {
    const text = `${String(schema ?? '')}${String(config ?? '')}`
    expected.set(String(id), {
      dimension: typeof dimension === 'bigint' ? Number(dimension) : null,
      maxNeighbours: Number(/"max_neighbors":\s*(\d+)/.exec(text)?.[1] ?? DEFAULT_NEIGHBOURS),
      cosine: /"space":\s*"cosine"/.test(text),
      wasSaved: maxSeqIdOf(database, String(id)) !== null,
    })
  }
  return expected
}

function damageOf(
  database: Database,
  indexes: ReadonlyMap<string, RepairedIndex>,
  lostTables: ReadonlySet<string>,
  readable: boolean,
): Damage {
  const damage = new Map<string, CollectionDamage>()
  const segments = database.all('SELECT id, scope, collection FROM segments')
  const recordTables = [...lostTables].filter((name) => name.startsWith('embedd'))
  const rowsLost =
    readable && recordTables.length > 0
      ? `rows of ${recordTables.join(', ')} could not be read: records of this collection may be missing`
      : null
  for (const { id } of database.all('SELECT id FROM collections')) {
    const own = (scope: string): Segment['id'] | null => {
      const found = segments.find((row) => row['collection'] === id && row['scope'] === scope)
      return found === undefined ? null : String(found['id'])
    }
    const metadataSegment = own('METADATA')
    const index = indexes.get(own('VECTOR') ?? '')
    const labels = index?.labels ?? new Map<string, number>()
    const lost = lostTables.has('embeddings') && metadataSegment !== null
    damage.set(String(id), {
      vectorOnly: lost
        ? addVectorOnly(database, { collectionId: String(id), metadataSegment, labels })
        : new Set<string>(),
      vectorsWithoutId: labels.size === 0 ? (index?.elements ?? 0) : 0,
      notes: index?.notes ?? [],
      textsLost: lostTables.has('embedding_metadata'),
      rowsLost,
    })
  }
  return damage
}
