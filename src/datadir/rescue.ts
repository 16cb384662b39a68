import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { openDataDirectory, type DataDirectory } from './data-directory.js'
import { DirectorySource } from './directory-source.js'
import { findHolder, holderText } from './holder.js'
import { copyForRescue, type RescueCopy } from './rescue-copy.js'
import { damageOf, expectedIndexes, UNKNOWN_INDEX } from './rescue-damage.js'
import { dropTextsWithoutId, fillGaps, inventCollections, settleIds } from './rescue-gaps.js'
import { repairIndexCopy, type ExpectedIndex, type RepairedIndex } from './rescue-index.js'
import { makeDoubtful } from './rescue-keys.js'
import { mendLog } from './rescue-log.js'
import { openSalvaged } from './rescue-open.js'
import { matchByOrder } from './rescue-order.js'
import { RescueSource, type CollectionDamage, type RescueSourceParts } from './rescue-source.js'
import type { Database } from './sqlite.js'

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
 * NotADataDirectoryError when there is neither a database nor an index, with file system errors, or with an
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
    doubtfulTexts: new Set<string>(),
    staleVectors: new Set<string>(),
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
  const opened = await openSalvaged(job.directory, copy, notes)
  const { database, lostTables } = opened
  try {
    database.exec('PRAGMA foreign_keys = OFF')
    makeDoubtful(database)
    notes.push(...mendLog(database))
    const indexes = new Map<string, RepairedIndex>()
    const expectations = opened.readable ? expectedIndexes(database) : new Map<string, ExpectedIndex>()
    for (const folder of copy.folders) {
      const expected = expectations.get(folder) ?? UNKNOWN_INDEX
      indexes.set(folder, await repairIndexCopy(path.join(copy.path, folder), expected))
    }
    const rowsLost = lostTables.has('collections') || lostTables.has('segments')
    if (opened.readable) notes.push(...fillGaps(database, indexes, { rowsLost }))
    else notes.push(...inventCollections(database, indexes))
    if (!opened.sound && opened.readable) notes.push(...settleIds(database, indexes))
    if (job.matchByOrder && opened.readable && !lostTables.has('embeddings'))
      await matchAll(database, copy, indexes)
    if (lostTables.has('embeddings')) {
      const texts = dropTextsWithoutId(database)
      if (texts > 0)
        notes.push(`${texts} records have lost their ids: their documents and metadata are left out`)
    }
    return damageOf(opened, indexes)
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
