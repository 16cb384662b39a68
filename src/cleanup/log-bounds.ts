import type { Database } from '../datadir/sqlite.js'
import { seqIdOf } from '../datadir/inspect-steps.js'
import type { CleanupNotice } from './report.js'
import { TOPIC } from './row-rules.js'

/** How far the write-ahead log of each collection may be purged. */
export interface LogBounds {
  /** Rows of a topic below its bound were saved by both segments. */
  readonly bounds: ReadonlyMap<string, bigint>
  readonly notices: readonly CleanupNotice[]
  /** What the server does by itself; null when the database does not say. */
  readonly purges: boolean | null
}

/**
 * `min(max_seq_id)` of the METADATA and the VECTOR segment; without a row a segment has read nothing. The bounds
 * stay true while a server runs: it only ever moves them up. `isSaved` tells whether the files of a vector
 * segment are there; without them the log is the only place that still has the vectors.
 */
export function readLogBounds(database: Database, isSaved: (segment: string) => boolean): LogBounds {
  const bounds = new Map<string, bigint>()
  const notices: CleanupNotice[] = []
  const newest = seqIdOf(database.get('SELECT max(seq_id) AS newest FROM main.embeddings_queue')?.['newest'])
  let highest = 0n
  const missing: string[] = []
  for (const { collection, segments } of segmentsByCollection(database)) {
    const read = (scope: string) => segments.find((segment) => segment.scope === scope)?.seqId ?? 0n
    for (const { seqId } of segments) if (seqId > highest) highest = seqId
    const vector = segments.find(({ scope }) => scope === 'VECTOR')
    const bound = least(read('METADATA'), read('VECTOR'))
    if (bound === 0n || vector === undefined) continue
    if (isSaved(vector.id)) bounds.set(TOPIC + collection, bound)
    else missing.push(collection)
  }
  if (missing.length > 0)
    notices.push({
      code: 'LOG_IS_LAST_COPY',
      message: `the log of ${missing.length} collections, such as ${missing[0] ?? ''}, is not purged: their index files are missing, so it may be the last place with their vectors`,
    })
  if (newest !== null && newest < highest) {
    bounds.clear()
    notices.push({
      code: 'LOG_RESTARTED',
      message: `the log is not purged: its newest row (${newest}) is older than what segments have read (${highest}), so rows that look saved may be the only copy of lost writes`,
    })
  }
  return { bounds, notices, purges: purgesOf(database) }
}

/** For the rule of the log: a table that only this connection has. */
export function writeLogBounds(database: Database, { bounds }: LogBounds): void {
  database.exec('DROP TABLE IF EXISTS temp.log_bounds')
  database.exec('CREATE TEMP TABLE log_bounds (topic TEXT PRIMARY KEY, bound INTEGER NOT NULL)')
  database.exec('BEGIN')
  for (const [topic, bound] of bounds) database.run('INSERT INTO temp.log_bounds VALUES (?, ?)', topic, bound)
  database.exec('COMMIT')
}

/** The configuration with purging switched on; null when there is nothing to switch. */
export function withPurging(config: string): string | null {
  const parsed: unknown = JSON.parse(config)
  if (typeof parsed !== 'object' || parsed === null || !('automatically_purge' in parsed)) return null
  return parsed.automatically_purge === true ? null : JSON.stringify({ ...parsed, automatically_purge: true })
}

/** The one row of `embeddings_queue_config`. */
export function readQueueConfig(database: Database): { readonly id: bigint; readonly text: string } | null {
  const row = database.get(
    'SELECT id, config_json_str AS text FROM main.embeddings_queue_config ORDER BY id LIMIT 1',
  )
  const [id, text] = [row?.['id'], row?.['text']]
  return typeof id === 'bigint' && typeof text === 'string' ? { id, text } : null
}

interface SegmentPosition {
  readonly id: string
  readonly scope: string
  readonly seqId: bigint
}

function segmentsByCollection(
  database: Database,
): readonly { readonly collection: string; readonly segments: readonly SegmentPosition[] }[] {
  const found = new Map<string, SegmentPosition[]>()
  const rows = database.all(
    `SELECT s.id, s.scope, s.collection, m.seq_id FROM main.segments s
     JOIN main.collections c ON c.id = s.collection
     LEFT JOIN main.max_seq_id m ON m.segment_id = s.id`,
  )
  for (const row of rows) {
    const collection = String(row['collection'])
    const segments = found.get(collection) ?? []
    segments.push({
      id: String(row['id']),
      scope: String(row['scope']),
      seqId: seqIdOf(row['seq_id']) ?? 0n,
    })
    found.set(collection, segments)
  }
  return [...found].map(([collection, segments]) => ({ collection, segments }))
}

function purgesOf(database: Database): boolean | null {
  const config = readQueueConfig(database)
  return config === null ? null : withPurging(config.text) === null
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
