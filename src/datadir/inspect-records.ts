import { isErrno } from '../core/errors.js'
import { PickleError } from './errors.js'
import { seqIdOf } from './inspect-steps.js'
import { packedIds } from './packed-ids.js'
import { labelIn, replayLog, type BlockedReplay, type ReplayedLog, type ReplayJob } from './replay-log.js'

/** Records and vectors of a collection, as they are after the server has read its log. */
export interface RecordFacts {
  readonly records: number
  /** Writes that only the log holds a vector of. */
  readonly vectorsInLog: number
  /** Records without a vector. */
  readonly lost: number
  /** At most 20. */
  readonly lostIds: readonly string[]
  /** Ids with a vector that are no records. */
  readonly surplus: number
  /** At most 20. */
  readonly surplusIds: readonly string[]
  /** Live vectors in the index that belong to no id: queries that meet one fail. */
  readonly strays: number
  readonly blocked: BlockedReplay | null
}

const MOST_IDS = 20

export interface RecordJob extends ReplayJob {
  /** The ids of the saved index, from its file. */
  readonly savedIds: () => AsyncIterable<string>
  /** Records with a later number are left out: the log was read before they were written. Null: nobody writes. */
  readonly newest: bigint | null
}

/** Compares the ids of the tables with those of the index, both with the rest of the log applied. */
export async function inspectRecords(job: RecordJob): Promise<RecordFacts> {
  const replayed = await replayLog(job)
  const hasVector = (id: string) => {
    const spoken = replayed.vectors.get(id)
    if (spoken !== undefined) return spoken
    const label = labelIn(job.ids, id)
    return label !== undefined && job.labels.get(label) === 'live'
  }
  let records = 0
  let withVector = 0
  const lostIds: string[] = []
  const see = (id: string) => {
    const has = hasVector(id)
    if (!has && isLater(job, id)) return
    records++
    if (has) withVector++
    else if (lostIds.length < MOST_IDS) lostIds.push(id)
  }
  const seenInTables = new Set<string>()
  const isQuiet = replayed.records.size + replayed.vectors.size === 0
  for await (const { bytes, starts, ends } of packedIds(
    job.database,
    job.metadataSegment ?? '',
    job.signal,
  )) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at < ends.length; at++) {
      const [from = 0, to = 0] = [starts[at], ends[at]]
      // Without a text for each of a million ids.
      if (isQuiet && job.labels.get(job.ids.get(bytes, from, to)) === 'live') {
        records++
        withVector++
        continue
      }
      const id = text.toString('utf8', from, to)
      const spoken = replayed.records.get(id)
      if (spoken !== undefined) seenInTables.add(id)
      if (spoken !== false) see(id)
    }
  }
  for (const [id, isRecord] of replayed.records) if (isRecord && !seenInTables.has(id)) see(id)
  const vectors = countVectors(job, replayed)
  const surplus = vectors - withVector
  return {
    records,
    vectorsInLog: [...replayed.vectors.values()].filter(Boolean).length,
    lost: records - withVector,
    lostIds,
    surplus,
    surplusIds: surplus > 0 ? await surplusIds(job, replayed) : [],
    strays: Math.max(0, job.labels.live - vectors),
    blocked: replayed.blocked,
  }
}

/** Written after the log was read: only of records without a vector, for it takes a look into the table. */
function isLater({ database, metadataSegment, newest }: RecordJob, id: string): boolean {
  if (newest === null) return false
  const row = database.get(
    'SELECT seq_id FROM embeddings WHERE segment_id = ? AND embedding_id = CAST(? AS TEXT)',
    metadataSegment ?? '',
    Buffer.from(id),
  )
  return (seqIdOf(row?.['seq_id']) ?? 0n) > newest
}

function countVectors(job: RecordJob, { vectors }: ReplayedLog): number {
  let count = 0
  for (const label of job.ids.values()) if (job.labels.get(label) === 'live') count++
  for (const [id, has] of vectors) {
    const label = labelIn(job.ids, id)
    if (label !== undefined && job.labels.get(label) === 'live') count--
    if (has) count++
  }
  return count
}

async function surplusIds(job: RecordJob, replayed: ReplayedLog): Promise<readonly string[]> {
  const isRecord = (id: string) =>
    replayed.records.get(id) ??
    job.database.get(
      'SELECT 1 AS one FROM embeddings WHERE segment_id = ? AND embedding_id = CAST(? AS TEXT)',
      job.metadataSegment ?? '',
      Buffer.from(id),
    ) !== undefined
  const found: string[] = []
  const candidates = [...[...replayed.vectors].filter(([, has]) => has).map(([id]) => id)]
  try {
    for (const ids of [candidates, job.savedIds()])
      for await (const id of ids) {
        if (found.length >= MOST_IDS) return found
        if (replayed.vectors.get(id) !== false && !found.includes(id) && !isRecord(id)) found.push(id)
      }
  } catch (error) {
    // The index is just being saved: the caller finds that out, and reads it again.
    if (!(error instanceof PickleError) && !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  return found
}
