import { writeFile } from 'node:fs/promises'
import path from 'node:path'

import { openHnswIndex, PICKLE_FILE } from './hnsw-index.js'
import { maxSeqIdOf } from './seq-id.js'
import type { Database } from './sqlite.js'
import { walEntries, walRows } from './wal.js'
import { encodeIndexPickle } from './write-index-pickle.js'

export interface MatchJob {
  readonly database: Database
  readonly collectionId: string
  readonly metadataSegment: string
  readonly vectorSegment: string
  /** Private copy of the index; gets a list of ids when they match. */
  readonly folder: string
}

export interface Matched {
  /** Null: they do not match. */
  readonly labels: ReadonlyMap<string, number> | null
  /** One sentence. */
  readonly note: string
}

/** What rounding does to the parts of a vector of length 1. */
const ROUNDING = 1e-6
const MOST_CHECKED = 1_000

/**
 * Finds out which record each vector belongs to when the list of ids is lost: Chroma gives labels, and rows, in the
 * order of the writes, so the n-th label that is left is that of the n-th record. Holds only if there are as many of
 * one as of the other; vectors that the log still has are compared.
 */
export async function matchByOrder(job: MatchJob): Promise<Matched> {
  const { database, collectionId, metadataSegment, vectorSegment, folder } = job
  const applied = maxSeqIdOf(database, vectorSegment) ?? 0n
  const written = new Set<string>()
  const added = new Set<string>()
  for (const { operation, id } of walEntries(database, collectionId, applied)) {
    if (operation === 'delete') return refused('records were deleted since the index was saved')
    if (operation === 'add' || operation === 'upsert') written.add(id)
    if (operation === 'add') added.add(id)
  }
  const ids: string[] = []
  const sql = 'SELECT embedding_id AS id FROM embeddings WHERE segment_id = ? ORDER BY embeddings.id'
  for (const { id } of database.iterate(sql, metadataSegment)) ids.push(String(id))
  const vectors = await liveLabels(folder)
  if (vectors.length > ids.length)
    return refused(`there are ${vectors.length} vectors and ${ids.length} records`)
  const unsaved = new Set(ids.slice(vectors.length))
  // A row that is missing would shift every vector behind it to the next record.
  if ([...unsaved].some((id) => !written.has(id)) || [...added].some((id) => !unsaved.has(id)))
    return refused(
      `there are ${vectors.length} vectors and ${ids.length} records, and the log does not explain it`,
    )
  const labels = new Map<string, number>()
  for (const [order, label] of vectors.entries()) labels.set(ids[order] ?? '', label)
  const logged = loggedVectors(job, applied, labels)
  if (!(await areSaved(folder, logged))) return refused('a vector in the log is not that of its record')
  const totalElementsAdded = vectors.at(-1) ?? 0
  await writeFile(
    path.join(folder, PICKLE_FILE),
    encodeIndexPickle({ labels: () => [[...labels]], totalElementsAdded }),
  )
  return {
    labels,
    note: `the ids of ${labels.size} vectors were matched by their order; ${logged.size} could be checked`,
  }
}

function refused(why: string): Matched {
  return { labels: null, note: `vectors and records cannot be matched by their order: ${why}` }
}

/** What the log still has of what was saved, by label: the newest state of some records. */
function loggedVectors(
  { database, collectionId }: MatchJob,
  applied: bigint,
  labels: ReadonlyMap<string, number>,
): ReadonlyMap<number, Float32Array> {
  const logged = new Map<number, Float32Array>()
  for (const { seqId, id, vector } of walRows(database, collectionId, 0n)) {
    const label = labels.get(id)
    if (seqId > applied) break
    if (label === undefined || vector === null) continue
    if (logged.has(label) || logged.size < MOST_CHECKED) logged.set(label, vector)
  }
  return logged
}

/** Those of elements that are not deleted, ascending. */
async function liveLabels(folder: string): Promise<Float64Array> {
  const index = await openHnswIndex(folder)
  const live: number[] = []
  try {
    for await (const { count, labels, deleted } of index.blocks())
      for (let at = 0; at < count; at++) if (deleted[at] === 0) live.push(labels[at] ?? 0)
  } finally {
    await index.close()
  }
  return Float64Array.from(live).sort()
}

/** Whether the elements with these labels have these vectors. */
async function areSaved(folder: string, expected: ReadonlyMap<number, Float32Array>): Promise<boolean> {
  if (expected.size === 0) return true
  const index = await openHnswIndex(folder)
  const { elementSize, dataOffset, dimension } = index.header
  try {
    for await (const { count, labels, bytes } of index.blocks()) {
      for (let at = 0; at < count; at++) {
        const vector = expected.get(labels[at] ?? NaN)
        if (vector === undefined) continue
        const start = at * elementSize + dataOffset
        // A copy of its own memory, aligned for floats.
        const saved = new Float32Array(new Uint8Array(bytes.subarray(start, start + 4 * dimension)).buffer)
        if (!haveSameDirection(vector, saved)) return false
      }
    }
    return true
  } finally {
    await index.close()
  }
}

/** Vectors of cosine collections are saved with length 1. */
function haveSameDirection(a: Float32Array, b: Float32Array): boolean {
  const [left, right] = [lengthOf(a), lengthOf(b)]
  if (a.length !== b.length || left === 0 || right === 0) return false
  return a.every((value, at) => Math.abs(value / left - (b[at] ?? 0) / right) < ROUNDING)
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
}
