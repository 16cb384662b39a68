import { maxSeqIdOf } from './seq-id.js'
import type { Database } from './sqlite.js'

/** Where a collection is: its own id, and those of its segments. */
export interface CollectionParts {
  readonly collectionId: string
  readonly metadataSegment: string | null
  readonly vectorSegment: string | null
}

/** Rows of the log in a private copy that cannot be read lose what cannot be read of them. A sentence if there were any. */
export function mendLog(database: Database): readonly string[] {
  const { changes } = database.run(
    'UPDATE embeddings_queue SET metadata = NULL WHERE metadata IS NOT NULL AND NOT json_valid(metadata)',
  )
  return changes === 0 ? [] : [`the metadata in ${changes} rows of the write-ahead log cannot be read`]
}

/**
 * Records that were written since the index was saved, by a row of the log that is not there any more: the vector
 * that the index has may be older than the record.
 */
export function staleVectors(
  database: Database,
  { metadataSegment, vectorSegment }: CollectionParts,
): ReadonlySet<string> {
  const stale = new Set<string>()
  const saved = vectorSegment === null ? null : maxSeqIdOf(database, vectorSegment)
  if (saved === null || metadataSegment === null) return stale
  // Before 1.0 the numbers were bytes; those logs were never purged.
  const rows = database.iterate(
    `SELECT embedding_id AS id FROM embeddings e WHERE segment_id = ? AND typeof(seq_id) = 'integer' AND seq_id > ?
     AND NOT EXISTS (SELECT 1 FROM embeddings_queue q WHERE q.seq_id = e.seq_id)`,
    metadataSegment,
    saved,
  )
  for (const { id } of rows) stale.add(String(id))
  return stale
}
