import { rowsInSteps } from './inspect-steps.js'
import type { IdTable } from './id-table.js'
import type { LabelStates } from './label-states.js'
import type { Database, SqlRow } from './sqlite.js'

const [ADD, UPDATE, UPSERT, DELETE] = [0n, 1n, 2n, 3n]

/** Why the server would fail to apply the log, at the first row that it fails at. */
export interface BlockedReplay {
  readonly seqId: bigint
  readonly id: string
  readonly why: string
}

/** The ids of a collection after the server has read its log, as far as they differ from what is saved. */
export interface ReplayedLog {
  /** By id: whether it has a vector, for ids that the log speaks of. */
  readonly vectors: ReadonlyMap<string, boolean>
  /** By id: whether it is a record, for ids that the log speaks of. */
  readonly records: ReadonlyMap<string, boolean>
  readonly blocked: BlockedReplay | null
}

export interface ReplayJob {
  readonly database: Database
  readonly collectionId: string
  /** The collection's METADATA segment, or null when it has none. */
  readonly metadataSegment: string | null
  readonly positions: { readonly metadata: bigint; readonly vectors: bigint }
  /** Labels of the saved index, and what its file says of them; the latter is changed as the server would. */
  readonly ids: IdTable
  readonly labels: LabelStates
  readonly labelsGiven: number
  readonly signal: AbortSignal | undefined
}

/**
 * What the server does when it opens a collection: rows behind a position are applied to the tables and to
 * the index, each for itself. Source: rust/segment/src/local_hnsw.rs (apply_log_chunk), sqlite_metadata.rs.
 */
export async function replayLog(job: ReplayJob): Promise<ReplayedLog> {
  const replay = new Replay(job)
  const { metadata, vectors } = job.positions
  const rows = rowsInSteps(
    job.database,
    {
      table: 'embeddings_queue',
      key: 'seq_id',
      keyType: 'integer',
      columns: 'topic, id, operation, vector IS NOT NULL AND encoding IS NOT NULL AS embedded',
      where: 'substr(topic, -36) = ?',
      values: [job.collectionId],
      after: metadata < vectors ? metadata : vectors,
    },
    job.signal,
  )
  for await (const row of rows) replay.apply(row)
  return replay
}

/** The label of an id in the saved index. */
export function labelIn(ids: IdTable, id: string): number | undefined {
  const bytes = Buffer.from(id)
  const label = ids.get(bytes, 0, bytes.length)
  return Number.isNaN(label) ? undefined : label
}

class Replay implements ReplayedLog {
  readonly vectors = new Map<string, boolean>()
  readonly records = new Map<string, boolean>()
  blocked: BlockedReplay | null = null
  readonly #job: ReplayJob
  /** Given while replaying. */
  readonly #newLabels = new Map<string, number>()
  #nextLabel: number

  constructor(job: ReplayJob) {
    this.#job = job
    this.#nextLabel = job.labelsGiven + 1
  }

  apply(row: SqlRow): void {
    const { positions } = this.#job
    const seqId = typeof row['key'] === 'bigint' ? row['key'] : 0n
    const id = String(row['id'])
    if (seqId > positions.metadata) this.#applyToTables(id, row['operation'])
    if (seqId <= positions.vectors || this.blocked !== null) return
    const why = this.#applyToIndex(id, row['operation'], row['embedded'] === 1n)
    if (why !== null) this.blocked = { seqId, id, why }
  }

  #applyToTables(id: string, operation: SqlRow[string] | undefined): void {
    if (operation === ADD || operation === UPSERT) this.records.set(id, true)
    if (operation === DELETE) this.records.set(id, false)
  }

  #applyToIndex(id: string, operation: SqlRow[string] | undefined, embedded: boolean): string | null {
    const label = this.#labelOf(id)
    if (operation === ADD && label !== undefined) return null
    if (operation === ADD || operation === UPSERT) {
      if (!embedded) return 'it has no vector'
      this.#give(id, label ?? this.#nextLabel++)
      return null
    }
    if (label === undefined) return null
    if (operation === UPDATE && embedded) this.#give(id, label)
    if (operation !== DELETE) return null
    const state = this.#job.labels.get(label)
    this.vectors.set(id, false)
    this.#newLabels.delete(id)
    if (state === 'absent') return 'the vector to be deleted is not in the index'
    if (state === 'deleted') return 'the vector to be deleted is marked as deleted already'
    this.#job.labels.set(label, 'deleted')
    return null
  }

  #give(id: string, label: number): void {
    this.#newLabels.set(id, label)
    this.vectors.set(id, true)
    this.#job.labels.set(label, 'live')
  }

  #labelOf(id: string): number | undefined {
    if (this.vectors.get(id) === false) return undefined
    return this.#newLabels.get(id) ?? labelIn(this.#job.ids, id)
  }
}
