import { stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { isJsonObject } from '../core/json.js'
import type { CollectionDefinition } from '../core/records.js'
import type { DataDirectory } from './data-directory.js'
import { HNSW_FILES, PICKLE_FILE } from './hnsw-index.js'
import { inspectIndex, type IndexFacts } from './inspect-index.js'
import { inspectPositions } from './inspect-sequence.js'
import { inspectRecords, type RecordFacts } from './inspect-records.js'
import { seqIdOf } from './inspect-steps.js'
import { idsOfPickle } from './read-index-pickle.js'

/** A collection as its files and rows have it. */
export interface CollectionFacts {
  /** Of the two segments that every collection has, those that it lacks. */
  readonly missingSegments: readonly ('VECTOR' | 'METADATA')[]
  readonly index: IndexFacts
  readonly records: RecordFacts
  /** Whether records and vectors could be compared: the ids of the index are known. */
  readonly compared: boolean
  /** Writes between two saves of the index, as the collection wants it. */
  readonly syncThreshold: number
}

export interface CollectionJob {
  readonly directory: DataDirectory
  readonly definition: CollectionDefinition
  /** Also look at every number of every vector. */
  readonly thorough: boolean
  /** Somebody writes, or may write. */
  readonly live: boolean
  readonly signal: AbortSignal | undefined
}

/** A server that saves the index meanwhile makes what was read useless. */
const ATTEMPTS = 4

/** Null when the index was being saved each time. Rejects with errors of the database and the file system. */
export async function inspectCollection(job: CollectionJob): Promise<CollectionFacts | null> {
  const attempts = job.live ? ATTEMPTS : 1
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const before = await signatureOf(job)
    const facts = await inspectOnce(job)
    if (!job.live) return facts
    const after = await signatureOf(job)
    const isQuiet = before.files === after.files
    const isDoubtful = facts.records.lost + facts.records.surplus + facts.records.strays > 0
    if (isQuiet && (!isDoubtful || before.newest === after.newest)) return facts
  }
  return null
}

async function inspectOnce({
  directory,
  definition,
  thorough,
  live,
  signal,
}: CollectionJob): Promise<CollectionFacts> {
  const { database, segments } = directory
  const own = segments.filter(({ collectionId }) => collectionId === definition.id)
  const vector = own.find(({ scope }) => scope === 'VECTOR')
  const metadata = own.find(({ scope }) => scope === 'METADATA')
  const positions = inspectPositions(database).filter(({ collection }) => collection === definition.id)
  const savedPosition = positions.find(({ scope }) => scope === 'VECTOR')?.seqId ?? null
  const folder = path.join(directory.path, vector?.id ?? '00000000-0000-0000-0000-000000000000')
  const index = await inspectIndex({
    folder,
    wasSaved: savedPosition !== null && savedPosition > 0n,
    thorough,
    signal,
  })
  const compared = index.state !== 'unreadable'
  const records = await inspectRecords({
    database,
    collectionId: definition.id,
    metadataSegment: metadata?.id ?? null,
    positions: {
      metadata: positions.find(({ scope }) => scope === 'METADATA')?.seqId ?? 0n,
      // Without a saved index the server reads the log from its beginning.
      vectors: index.state === 'saved' ? (savedPosition ?? index.maxSeqId ?? 0n) : 0n,
    },
    ids: index.ids,
    savedIds: () => idsOfPickle(path.join(folder, PICKLE_FILE), signal),
    labels: index.labels,
    labelsGiven: index.labelsGiven,
    newest: live ? newestOf(directory) : null,
    signal,
  })
  return {
    missingSegments: [
      ...(vector === undefined ? (['VECTOR'] as const) : []),
      ...(metadata === undefined ? (['METADATA'] as const) : []),
    ],
    index,
    records: compared ? records : { ...records, ...NOT_COMPARED },
    compared,
    syncThreshold: syncThresholdOf(definition),
  }
}

const NOT_COMPARED = { lost: 0, lostIds: [], surplus: 0, surplusIds: [], strays: 0, blocked: null } as const

interface Signature {
  readonly files: string
  readonly newest: bigint
}

async function signatureOf({ directory, definition }: CollectionJob): Promise<Signature> {
  const segment = directory.segments.find(
    ({ collectionId, scope }) => collectionId === definition.id && scope === 'VECTOR',
  )
  const positions = inspectPositions(directory.database).filter(
    ({ collection, scope }) => collection === definition.id && scope === 'VECTOR',
  )
  const states: string[] = positions.map(({ seqId }) => String(seqId))
  for (const name of [...HNSW_FILES, PICKLE_FILE]) {
    try {
      const file = path.join(directory.path, segment?.id ?? '', name)
      const { size, mtimeNs, ino } = await stat(file, { bigint: true })
      states.push(`${ino}:${size}:${mtimeNs}`)
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
      states.push('absent')
    }
  }
  return { files: states.join(' '), newest: newestOf(directory) }
}

function newestOf({ database }: DataDirectory): bigint {
  return seqIdOf(database.get('SELECT max(seq_id) AS newest FROM embeddings_queue')?.['newest']) ?? 0n
}

const DEFAULT_THRESHOLD = 1000

function syncThresholdOf({ configuration }: CollectionDefinition): number {
  const hnsw = isJsonObject(configuration) ? configuration.get('hnsw') : undefined
  const threshold = isJsonObject(hnsw) ? hnsw.get('sync_threshold') : undefined
  return typeof threshold === 'bigint' ? Number(threshold) : DEFAULT_THRESHOLD
}
