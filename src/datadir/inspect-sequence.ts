import { seqIdOf, tablesOf } from './inspect-steps.js'
import type { ReadPositions } from './inspect-log.js'
import type { Database } from './sqlite.js'

/** One row of `max_seq_id` of a segment that exists. */
export interface SegmentPosition {
  readonly segment: string
  readonly collection: string
  readonly scope: 'VECTOR' | 'METADATA' | 'other'
  /** How SQLite stores it: `integer` since Chroma 1.0, `blob` before. */
  readonly storedAs: string
  /** Null when it is neither. */
  readonly seqId: bigint | null
}

export function inspectPositions(database: Database): readonly SegmentPosition[] {
  if (!tablesOf(database).has('max_seq_id')) return []
  return database
    .all(
      `SELECT s.id AS segment, s.collection, s.scope, typeof(m.seq_id) AS type, m.seq_id AS seq_id
       FROM max_seq_id AS m JOIN segments AS s ON s.id = m.segment_id
       WHERE s.collection IN (SELECT id FROM collections)`,
    )
    .map((row) => ({
      segment: String(row['segment']),
      collection: String(row['collection']),
      scope: row['scope'] === 'VECTOR' || row['scope'] === 'METADATA' ? row['scope'] : 'other',
      storedAs: String(row['type']),
      seqId: seqIdOf(row['seq_id']),
    }))
}

/** By collection. */
export function readPositions(rows: readonly SegmentPosition[]): ReadonlyMap<string, ReadPositions> {
  const found = new Map<string, ReadPositions>()
  for (const { collection, scope, seqId } of rows) {
    const known = found.get(collection) ?? { metadata: 0n, vectors: 0n }
    if (scope === 'METADATA') found.set(collection, { ...known, metadata: seqId ?? 0n })
    if (scope === 'VECTOR') found.set(collection, { ...known, vectors: seqId ?? 0n })
  }
  return found
}
