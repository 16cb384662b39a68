import { seqIdOf } from './inspect-steps.js'
import { packedIds } from './packed-ids.js'
import { replayLog, type BlockedReplay, type ReplayedLog, type ReplayJob } from './replay-log.js'

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
  /** The ids of the saved index. */
  readonly savedIds: () => Iterable<string>
  /** Records with a later number are left out: the log was read before they were written. Null: nobody writes. */
  readonly newest: bigint | null
}

/** Compares the ids of the tables with those of the index, both with the rest of the log applied. */
export async function inspectRecords(job: RecordJob): Promise<RecordFacts> {
  const replayed = await replayLog(job)
  const hasVector = (id: string) => {
    const spoken = replayed.vectors.get(id)
    if (spoken !== undefined) return spoken
    const label = job.labelOf(id)
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
  for await (const id of packedIds(job.database, job.metadataSegment ?? '', job.signal)) {
    const spoken = replayed.records.get(id)
    if (spoken !== undefined) seenInTables.add(id)
    if (spoken !== false) see(id)
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
    surplusIds: surplus > 0 ? surplusIds(job, replayed) : [],
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
  for (const id of job.savedIds()) {
    const label = job.labelOf(id)
    if (!vectors.has(id) && label !== undefined && job.labels.get(label) === 'live') count++
  }
  for (const has of vectors.values()) if (has) count++
  return count
}

function surplusIds(job: RecordJob, replayed: ReplayedLog): readonly string[] {
  const isRecord = (id: string) =>
    replayed.records.get(id) ??
    job.database.get(
      'SELECT 1 AS one FROM embeddings WHERE segment_id = ? AND embedding_id = CAST(? AS TEXT)',
      job.metadataSegment ?? '',
      Buffer.from(id),
    ) !== undefined
  const found: string[] = []
  const candidates = [...[...replayed.vectors].filter(([, has]) => has).map(([id]) => id)]
  for (const ids of [candidates, job.savedIds()])
    for (const id of ids) {
      if (found.length >= MOST_IDS) return found
      if (replayed.vectors.get(id) !== false && !found.includes(id) && !isRecord(id)) found.push(id)
    }
  return found
}
