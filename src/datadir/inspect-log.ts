import { rowsInSteps, seqIdOf, tablesOf } from './inspect-steps.js'
import type { Database } from './sqlite.js'

/** How far the segments of a collection have read the write-ahead log. 0: not at all. */
export interface ReadPositions {
  readonly metadata: bigint
  readonly vectors: bigint
}

/** The write-ahead log (`embeddings_queue`) of one collection. */
export interface CollectionLog {
  readonly rows: number
  /** Behind both positions, so they only take space; the last row of a collection always stays. */
  readonly purgeable: number
  /** Of those, the bytes of vectors and metadata. */
  readonly purgeableBytes: number
  /** Ahead of what the vector index has saved: read again after every start. */
  readonly unsavedVectors: number
  /** Ahead of the metadata position: written, and not visible yet. */
  readonly invisible: number
  /** Rows ahead of a position that no server can read: it dies of them, for all collections. At most 20. */
  readonly poison: readonly PoisonRow[]
}

export interface PoisonRow {
  readonly seqId: bigint
  readonly id: string
  readonly why: string
}

export interface LogFacts {
  /** By collection id; topics of collections that are gone as well. */
  readonly collections: ReadonlyMap<string, CollectionLog>
  /** The newest row; null when the log is empty. SQLite numbers the next one by it. */
  readonly newest: bigint | null
  /** Whether the server purges; null when nothing says so. */
  readonly purges: boolean | null
}

/** `persistent://default/default/<collection id>`. */
export function collectionOfTopic(topic: string): string {
  return topic.slice(-36)
}

export async function inspectLog(
  database: Database,
  positions: ReadonlyMap<string, ReadPositions>,
  signal?: AbortSignal,
): Promise<LogFacts> {
  const collections = new Map<string, Tally>()
  let newest: bigint | null = null
  const rows = rowsInSteps(
    database,
    {
      table: 'embeddings_queue',
      key: 'seq_id',
      keyType: 'integer',
      columns: `topic, id, ${BYTES} AS bytes, ${POISON} AS poison`,
      where: 'true',
      values: [],
    },
    signal,
  )
  for await (const { key, topic, id, bytes, poison } of rows) {
    const seqId = seqIdOf(key) ?? 0n
    const collection = collectionOfTopic(String(topic))
    let tally = collections.get(collection)
    if (tally === undefined) collections.set(collection, (tally = new Tally(positions.get(collection))))
    tally.add(seqId, Number(bytes), poison === null ? null : { seqId, id: String(id), why: String(poison) })
    newest = seqId
  }
  return { collections, newest, purges: purgesOf(database) }
}

const BYTES = `coalesce(length(vector), 0) + coalesce(length(CAST(metadata AS BLOB)), 0)`
/** Server code: rust/log/src/sqlite_log.rs, where rows of the log are read. */
const POISON = `CASE
  WHEN metadata IS NOT NULL AND NOT json_valid(metadata) THEN 'its metadata is not JSON'
  WHEN metadata LIKE '%chroma:document%' AND json_type(metadata, '$."chroma:document"') <> 'text'
    THEN 'its document is not a text'
  WHEN vector IS NOT NULL AND encoding IS NOT NULL AND encoding <> 'FLOAT32' THEN 'its vector has the encoding ' || encoding
  WHEN vector IS NOT NULL AND length(vector) % 4 <> 0 THEN 'its vector is cut off'
  WHEN operation NOT BETWEEN 0 AND 4 THEN 'its operation is not known'
END`

class Tally implements CollectionLog {
  rows = 0
  purgeable = 0
  purgeableBytes = 0
  unsavedVectors = 0
  invisible = 0
  readonly poison: PoisonRow[] = []
  readonly #positions: ReadPositions

  constructor(positions: ReadPositions = { metadata: 0n, vectors: 0n }) {
    this.#positions = positions
  }

  add(seqId: bigint, bytes: number, poison: PoisonRow | null): void {
    const { metadata, vectors } = this.#positions
    this.rows++
    if (seqId < metadata && seqId < vectors) {
      this.purgeable++
      this.purgeableBytes += bytes
    }
    if (seqId > vectors) this.unsavedVectors++
    if (seqId > metadata) this.invisible++
    const isRead = seqId > vectors || seqId > metadata
    if (poison !== null && isRead && this.poison.length < 20) this.poison.push(poison)
  }
}

function purgesOf(database: Database): boolean | null {
  if (!tablesOf(database).has('embeddings_queue_config')) return null
  const text = database.get(
    'SELECT config_json_str AS text FROM embeddings_queue_config ORDER BY id LIMIT 1',
  )?.['text']
  if (typeof text !== 'string') return null
  return /"automatically_purge"\s*:\s*true/.test(text)
}
