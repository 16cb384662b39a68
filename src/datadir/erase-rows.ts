import { isJsonObject, parseJson, JsonSyntaxError, type JsonObject } from '../core/json.js'
import type { Database, SqlValue } from './sqlite.js'

/** The records of one collection that are to go. */
export interface DoomedRecords {
  readonly collectionId: string
  readonly metadataSegment: string | null
  readonly ids: ReadonlySet<string>
}

/** Rows of the database that belong to them. */
export interface DoomedRows {
  /** Row ids of `embeddings`, by the id of the record. */
  readonly records: ReadonlyMap<string, bigint>
  /** Rows of the write-ahead log, also of records that were deleted since. */
  readonly log: readonly { readonly sequence: bigint; readonly id: string }[]
}

/** Below every limit of SQLite on the number of parameters. */
const AT_ONCE = 400
/** A deletion in the log of Chroma. */
const DELETE_OPERATION = 3n

/** Finds the rows; reads only. */
export function findDoomedRows(database: Database, doomed: DoomedRecords): DoomedRows {
  return { records: findRecordRows(database, doomed), log: findLogRows(database, doomed) }
}

/** Every text that the database keeps of the rows, for searching: documents, uris, strings, what the log holds. */
export function* textsOf(database: Database, rows: DoomedRows): Generator<string> {
  for (const ids of chunks([...rows.records.values()])) {
    const places = ids.map(() => '?').join(',')
    for (const table of metadataTables(database)) {
      const sql = `SELECT string_value AS text FROM ${table} WHERE id IN (${places}) AND string_value IS NOT NULL`
      for (const { text } of database.iterate(sql, ...ids)) if (typeof text === 'string') yield text
    }
  }
  for (const sequences of chunks(rows.log.map(({ sequence }) => sequence))) {
    const places = sequences.map(() => '?').join(',')
    const sql = `SELECT metadata FROM embeddings_queue WHERE seq_id IN (${places}) AND metadata IS NOT NULL`
    for (const { metadata } of database.iterate(sql, ...sequences))
      if (typeof metadata === 'string') yield* stringsIn(metadata)
  }
}

/**
 * Deletes the rows, inside the caller's transaction. The newest row of the log is not deleted, or the server
 * would give its number to a later write and skip that: it becomes the deletion of a record that never was.
 */
export function deleteRows(database: Database, rows: DoomedRows, placeholder: string): void {
  const fullText = hasTable(database, 'embedding_fulltext_search')
  for (const id of rows.records.values()) {
    if (fullText) database.run('DELETE FROM embedding_fulltext_search WHERE rowid = ?', id)
    for (const table of metadataTables(database)) database.run(`DELETE FROM ${table} WHERE id = ?`, id)
    database.run('DELETE FROM embeddings WHERE id = ?', id)
  }
  const newest = database.get('SELECT max(seq_id) AS newest FROM embeddings_queue')?.['newest'] ?? null
  for (const { sequence } of rows.log) {
    if (sequence !== newest) database.run('DELETE FROM embeddings_queue WHERE seq_id = ?', sequence)
    else
      database.run(
        `UPDATE embeddings_queue SET operation = ?, id = ?, vector = NULL, encoding = NULL, metadata = NULL
         WHERE seq_id = ?`,
        DELETE_OPERATION,
        placeholder,
        sequence,
      )
  }
}

/** Writes the full-text index anew from the documents that are left: deleted trigrams stay in it otherwise. */
export function rebuildFullText(database: Database): void {
  if (!hasTable(database, 'embedding_fulltext_search')) return
  database.exec("INSERT INTO embedding_fulltext_search(embedding_fulltext_search) VALUES ('rebuild')")
}

/** Every text that stays, for telling what is found apart. */
export function* textsThatStay(database: Database): Generator<string> {
  const queries = [
    'SELECT embedding_id AS text FROM embeddings',
    ...metadataTables(database).map((table) => `SELECT string_value AS text FROM ${table}`),
    'SELECT id AS text FROM embeddings_queue',
    'SELECT metadata AS text FROM embeddings_queue',
    'SELECT name AS text FROM collections',
    'SELECT schema_str AS text FROM collections',
    'SELECT str_value AS text FROM collection_metadata',
    'SELECT key AS text FROM embedding_metadata',
  ]
  for (const sql of queries) {
    if (sql.includes('schema_str') && !hasColumn(database, 'collections', 'schema_str')) continue
    for (const { text } of database.iterate(sql)) if (typeof text === 'string') yield text
  }
}

function findRecordRows(database: Database, doomed: DoomedRecords): ReadonlyMap<string, bigint> {
  const found = new Map<string, bigint>()
  if (doomed.metadataSegment === null) return found
  for (const ids of chunks([...doomed.ids])) {
    // As bytes: a text parameter would end at a NUL.
    const places = ids.map(() => 'CAST(? AS TEXT)').join(',')
    const sql = `SELECT id, embedding_id FROM embeddings WHERE segment_id = ? AND embedding_id IN (${places})`
    const parameters: SqlValue[] = ids.map((id) => Buffer.from(id))
    for (const row of database.iterate(sql, doomed.metadataSegment, ...parameters)) {
      const { id, embedding_id: record } = row
      if (typeof id === 'bigint' && typeof record === 'string') found.set(record, id)
    }
  }
  return found
}

/** The log has no index on ids: one pass for all of them. */
function findLogRows(database: Database, { collectionId, ids }: DoomedRecords): DoomedRows['log'] {
  const found: { sequence: bigint; id: string }[] = []
  const sql = 'SELECT seq_id, id FROM embeddings_queue WHERE substr(topic, -36) = ?'
  for (const { seq_id: sequence, id } of database.iterate(sql, collectionId))
    if (typeof sequence === 'bigint' && typeof id === 'string' && ids.has(id)) found.push({ sequence, id })
  return found
}

function metadataTables(database: Database): readonly string[] {
  const arrays = 'embedding_metadata_array'
  return hasTable(database, arrays) ? ['embedding_metadata', arrays] : ['embedding_metadata']
}

function hasTable(database: Database, name: string): boolean {
  return (
    database.get("SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ?", name) !== undefined
  )
}

function hasColumn(database: Database, table: string, column: string): boolean {
  return database.all(`SELECT name FROM pragma_table_info(?)`, table).some(({ name }) => name === column)
}

function* stringsIn(json: string): Generator<string> {
  for (const value of (parsed(json) ?? new Map()).values()) if (typeof value === 'string') yield value
}

function parsed(json: string): JsonObject | undefined {
  try {
    const value = parseJson(json)
    return isJsonObject(value) ? value : undefined
  } catch (error) {
    // A row that no server could read either.
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield items.slice(at, at + AT_ONCE)
}
