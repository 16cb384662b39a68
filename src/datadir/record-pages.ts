import type { Metadata, MetadataScalar, MetadataValue } from '../core/metadata.js'
import { NameCache } from './name-cache.js'
import { PackedRows } from './packed-rows.js'
import type { IdPieces } from './segment-vectors.js'
import type { Database } from './sqlite.js'

/** Consecutive records of a collection, without vectors. */
export interface RecordPage {
  readonly ids: readonly string[]
  /** The same ids as bytes. */
  readonly pieces: IdPieces
  readonly documents: (string | null)[]
  readonly uris: (string | null)[]
  readonly metadatas: (Metadata | null)[]
}

const SPACE = 0x20
const DOCUMENT = 'chroma:document'
const URI = 'chroma:uri'
/** Keys of Chroma's own are not shown. */
const OWN_PREFIX = 'chroma:'

/** `concat` (SQLite 3.44) takes half of the time that a chain of `||` takes. */
const ENTRY = `concat(id, ' ', octet_length(key), ' ', key, CASE
  WHEN string_value IS NOT NULL THEN concat('s', octet_length(string_value), ' ', string_value)
  WHEN int_value IS NOT NULL THEN concat('i', int_value, ' ')
  WHEN float_value IS NOT NULL THEN printf('f%!.19g ', float_value)
  WHEN bool_value IS NOT NULL THEN concat('b', bool_value, ' ')
  ELSE 'n' END)`

/**
 * The records of a metadata segment in their order, page by page. A whole page comes as one value, put together
 * by SQLite: a row that crosses from the library into JavaScript costs more than everything else.
 */
export class RecordPages {
  readonly #database: Database
  readonly #segmentId: string
  readonly #withArrays: boolean
  readonly #keys = new NameCache()

  constructor(database: Database, segmentId: string) {
    this.#database = database
    this.#segmentId = segmentId
    this.#withArrays =
      database.get("SELECT name FROM sqlite_master WHERE name = 'embedding_metadata_array'") !== undefined
  }

  /** The row ids of all records, ascending: the order of the collection. 8 bytes each. */
  rowIds(): Float64Array {
    const sql =
      "SELECT CAST(group_concat(id, ' ') || ' ' AS BLOB) AS packed FROM embeddings WHERE segment_id = ?"
    const rows = new PackedRows(this.#database.blob(sql, this.#segmentId))
    const ids = new Float64Array(rows.bytes.reduce((count, byte) => (byte === SPACE ? count + 1 : count), 0))
    for (let at = 0; !rows.ended; at++) ids[at] = rows.number()
    return ids.sort()
  }

  /** Bytes of the documents of the records with these row ids. */
  documentBytes(rowIds: Float64Array): number {
    const sql = `SELECT sum(octet_length(string_value)) AS bytes FROM embedding_metadata
      WHERE ${among('id', rowIds)} AND key = '${DOCUMENT}'`
    return Number(this.#database.get(sql)?.['bytes'] ?? 0)
  }

  /** The records with these row ids that are still there. */
  read(rowIds: Float64Array): RecordPage {
    const { page, rowOf } = this.#readIds(rowIds)
    const scalars = this.#entries('embedding_metadata', 'id, key', rowIds)
    this.#each(scalars, rowOf, (row, key, value) => {
      if (key === DOCUMENT) page.documents[row] = typeof value === 'string' ? value : null
      else if (key === URI) page.uris[row] = typeof value === 'string' ? value : null
      else if (!key.startsWith(OWN_PREFIX)) put(page, row, key, value)
    })
    if (this.#withArrays) this.#readArrays(page, rowOf, rowIds)
    return page
  }

  #readIds(rowIds: Float64Array): { readonly page: RecordPage; readonly rowOf: ReadonlyMap<number, number> } {
    const sql = `SELECT CAST(group_concat(concat(id, ' ', octet_length(embedding_id), ' ', embedding_id), '') AS BLOB)
      AS packed FROM (SELECT id, embedding_id FROM embeddings WHERE ${among('id', rowIds)} AND +segment_id = ? ORDER BY id)`
    const rows = new PackedRows(this.#database.blob(sql, this.#segmentId))
    const ids: string[] = []
    const rowOf = new Map<number, number>()
    const starts = new Int32Array(rowIds.length)
    const ends = new Int32Array(rowIds.length)
    while (!rows.ended) {
      rowOf.set(rows.number(), ids.length)
      const length = rows.number()
      starts[ids.length] = rows.at
      ends[ids.length] = rows.at + length
      ids.push(rows.text(length))
    }
    const nulls = () => new Array<null>(ids.length).fill(null)
    const pieces = {
      bytes: rows.bytes,
      starts: starts.subarray(0, ids.length),
      ends: ends.subarray(0, ids.length),
    }
    return { page: { ids, pieces, documents: nulls(), uris: nulls(), metadatas: nulls() }, rowOf }
  }

  /** Lists, one row for each of their items. */
  #readArrays(page: RecordPage, rowOf: ReadonlyMap<number, number>, rowIds: Float64Array): void {
    const lists = new Map<number, Map<string, MetadataScalar[]>>()
    const entries = this.#entries('embedding_metadata_array', 'id, key, rowid', rowIds)
    this.#each(entries, rowOf, (row, key, value) => {
      if (key.startsWith(OWN_PREFIX)) return
      const own = lists.get(row) ?? new Map<string, MetadataScalar[]>()
      lists.set(row, own)
      const list = own.get(key)
      if (list === undefined) own.set(key, [value])
      else list.push(value)
    })
    for (const [row, own] of lists) for (const [key, list] of own) put(page, row, key, list)
  }

  #entries(table: string, order: string, rowIds: Float64Array): PackedRows {
    const sql = `SELECT CAST(group_concat(entry, '') AS BLOB) AS packed FROM
      (SELECT ${ENTRY} AS entry FROM ${table} WHERE ${among('id', rowIds)} ORDER BY ${order})`
    return new PackedRows(this.#database.blob(sql))
  }

  #each(
    rows: PackedRows,
    rowOf: ReadonlyMap<number, number>,
    visit: (row: number, key: string, value: MetadataScalar) => void,
  ): void {
    let last = NaN
    let row: number | undefined
    while (!rows.ended) {
      const id = rows.number()
      if (id !== last) row = rowOf.get(id)
      last = id
      const key = rows.name(rows.number(), this.#keys)
      const value = rows.value()
      if (row !== undefined && value !== undefined) visit(row, key, value)
    }
  }
}

function put({ metadatas }: RecordPage, row: number, key: string, value: MetadataValue): void {
  const metadata = metadatas[row]
  if (metadata instanceof Map) metadata.set(key, value)
  else metadatas[row] = new Map([[key, value]])
}

/** Records lie side by side unless other collections were written at the same time. */
function among(column: string, rowIds: Float64Array): string {
  const [first = 0, last = 0] = [rowIds[0], rowIds[rowIds.length - 1]]
  if (last - first + 1 === rowIds.length) return `${column} BETWEEN ${first} AND ${last}`
  return `${column} IN (${rowIds.join(',')})`
}
