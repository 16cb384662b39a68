import { packedIds } from './packed-ids.js'
import { maxSeqIdOf } from './seq-id.js'
import type { IdPieces } from './segment-vectors.js'
import type { Database } from './sqlite.js'

const [ADD, UPSERT, DELETE] = [0n, 2n, 3n]

/** The ids of one collection, as a server on the directory would have them. */
export class CurrentIds {
  readonly #database: Database
  readonly #collectionId: string
  readonly #segmentId: string

  /** `segmentId`: of its metadata segment. */
  constructor(database: Database, collectionId: string, segmentId: string) {
    this.#database = database
    this.#collectionId = collectionId
    this.#segmentId = segmentId
  }

  /** Those in the tables, page by page. */
  pages(signal: AbortSignal | undefined): AsyncIterable<IdPieces> {
    return packedIds(this.#database, this.#segmentId, signal)
  }

  /** With what waits in the log. */
  has(id: string): boolean {
    const bytes = Buffer.from(id)
    const row = this.#database.get(
      `SELECT operation FROM embeddings_queue WHERE seq_id > ? AND id = CAST(? AS TEXT)
       AND substr(topic, -36) = ? AND operation IN (${ADD}, ${UPSERT}, ${DELETE}) ORDER BY seq_id DESC LIMIT 1`,
      maxSeqIdOf(this.#database, this.#segmentId) ?? 0n,
      bytes,
      this.#collectionId,
    )
    if (row !== undefined) return row['operation'] !== DELETE
    const stored = this.#database.get(
      'SELECT 1 AS one FROM embeddings WHERE segment_id = ? AND embedding_id = CAST(? AS TEXT)',
      this.#segmentId,
      bytes,
    )
    return stored !== undefined
  }
}
