/** Rows that belong to something that is gone, and how they are told from the living. */
export interface RowRule {
  /** The table; also the id of the step. */
  readonly table: string
  /** Where its rows are read, when not from the table itself. */
  readonly readFrom?: string
  /** An integer, unique, ordered. */
  readonly key: 'id' | 'rowid' | 'seq_id'
  /** About a row `t`. */
  readonly where: string
  /** Of a row `t`, for the evidence. */
  readonly name: string
  readonly what: string
  readonly why: string
}

const LIVE_SEGMENT = (id: string) =>
  `EXISTS (SELECT 1 FROM main.segments s JOIN main.collections c ON c.id = s.collection WHERE s.id = ${id})`
/** A condition: whether a record of a collection has this number. */
export const LIVE_RECORD = (id: string) =>
  `EXISTS (SELECT 1 FROM main.embeddings e JOIN main.segments s ON s.id = e.segment_id
     JOIN main.collections c ON c.id = s.collection WHERE e.id = ${id})`
/** The newest row is what the next number is derived from: without it the next writes are lost. */
export const NOT_NEWEST = 't.seq_id < (SELECT max(seq_id) FROM main.embeddings_queue)'
export const TOPIC = 'persistent://default/default/'

const REUSED = 'Chroma gives their numbers to new records, which then show them'

/**
 * In the order in which they are removed. What hangs on a record goes before the record: its number is free for
 * a new one as soon as it is gone. Foreign keys are off in Chroma's database, so nothing removes them by itself.
 */
export const ROW_RULES: readonly RowRule[] = [
  {
    table: 'embedding_metadata_array',
    key: 'rowid',
    where: `NOT ${LIVE_RECORD('t.id')}`,
    name: `t.id || ' ' || t.key`,
    what: 'array metadata of records that are gone',
    why: REUSED,
  },
  {
    table: 'embedding_fulltext_search',
    readFrom: 'embedding_fulltext_search_content',
    key: 'id',
    where: `NOT ${LIVE_RECORD('t.id')}`,
    name: 't.id',
    what: 'documents in the full-text index whose records are gone',
    why: 'the text of deleted documents stays readable in the file',
  },
  {
    table: 'embedding_metadata',
    key: 'rowid',
    where: `NOT ${LIVE_RECORD('t.id')}`,
    name: `t.id || ' ' || t.key`,
    what: 'metadata and documents of records that are gone',
    why: REUSED,
  },
  {
    table: 'embeddings',
    key: 'id',
    where: `NOT ${LIVE_SEGMENT('t.segment_id')}`,
    name: 't.embedding_id',
    what: 'records of no collection',
    why: 'their collection was deleted; they only take space',
  },
  {
    table: 'max_seq_id',
    key: 'rowid',
    where: `NOT ${LIVE_SEGMENT('t.segment_id')}`,
    name: 't.segment_id',
    what: 'read positions of segments that are gone',
    why: 'left over from deleted collections',
  },
  {
    table: 'segment_metadata',
    key: 'rowid',
    where: `NOT ${LIVE_SEGMENT('t.segment_id')}`,
    name: `t.segment_id || ' ' || t.key`,
    what: 'settings of segments that are gone',
    why: 'left over from deleted collections',
  },
  {
    table: 'embeddings_queue',
    key: 'seq_id',
    where: `${NOT_NEWEST} AND t.topic LIKE '${TOPIC}%' AND length(t.topic) = ${TOPIC.length + 36}
      AND substr(t.topic, -36) NOT IN (SELECT id FROM main.collections)`,
    name: 't.topic',
    what: 'write-ahead log rows of collections that are gone',
    why: 'nobody reads them; they hold vectors and documents of deleted collections',
  },
  {
    table: 'collection_metadata',
    key: 'rowid',
    where: 't.collection_id NOT IN (SELECT id FROM main.collections)',
    name: `t.collection_id || ' ' || t.key`,
    what: 'metadata of collections that are gone',
    why: 'left over from deleted collections',
  },
  {
    table: 'segments',
    key: 'rowid',
    where: 't.collection NOT IN (SELECT id FROM main.collections)',
    name: 't.id',
    what: 'segments of no collection',
    why: 'deleting a database leaves them, and "chroma vacuum" fails for ever while they are there',
  },
]

/** `wal`: rows that both segments of their collection have read, by the bounds in `temp.log_bounds`. */
export const LOG_RULE: RowRule = {
  table: 'embeddings_queue',
  key: 'seq_id',
  where: `${NOT_NEWEST} AND EXISTS (SELECT 1 FROM temp.log_bounds b WHERE b.topic = t.topic AND t.seq_id < b.bound)`,
  name: 't.topic',
  what: 'write-ahead log rows that both segments have saved',
  why: 'they are kept for nothing; they hold vectors and documents, also deleted ones',
}
