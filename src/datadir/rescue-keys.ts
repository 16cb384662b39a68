import { RowWriter } from './rescue-rows.js'
import { hitsDamage, nextReadable, quoted } from './rescue-table.js'
import type { Database } from './sqlite.js'

/** A table of metadata, and the indexes that have its values a second time. Names as Chroma makes them. */
interface MetadataTable {
  readonly name: string
  /** Over `id` and `key`, and with them the row id. */
  readonly keys: string
  /** Over `key` and a value. */
  readonly values: Readonly<Record<'string_value' | 'int_value' | 'float_value', string>>
}

const TABLES: readonly MetadataTable[] = [
  {
    name: 'embedding_metadata',
    keys: 'sqlite_autoindex_embedding_metadata_1',
    values: {
      string_value: 'embedding_metadata_string_value',
      int_value: 'embedding_metadata_int_value',
      float_value: 'embedding_metadata_float_value',
    },
  },
  {
    name: 'embedding_metadata_array',
    keys: 'embedding_metadata_array_id_key',
    values: {
      string_value: 'embedding_metadata_array_key_string',
      int_value: 'embedding_metadata_array_key_int',
      float_value: 'embedding_metadata_array_key_float',
    },
  },
]
const RECORDS_INDEX = 'sqlite_autoindex_embeddings_1'
const VALUES = ['string_value', 'int_value', 'float_value'] as const
/** The copy of each document that the full-text index keeps; `c0` is the text. */
const DOCUMENTS = 'embedding_fulltext_search_content'
const DOCUMENT = 'chroma:document'

/** Row ids of records of which something is lost, or doubtful. In the private copy. */
export const DOUBTFUL_RECORDS = 'doubtful_records'
/** Records for which table and index name different ids. In the private copy. */
export const DISPUTED_RECORDS = 'disputed_records'

/**
 * Gives a copy the rows of `embeddings` that its table has lost but its index still has. Where both have a row and
 * they differ, the table loses if it names a segment that does not exist; other differences go to
 * {@link DISPUTED_RECORDS}. Returns how many rows were found again, and whether the whole index could be read.
 */
export function mendRecords(
  source: Database,
  target: Database,
): { readonly found: number; readonly complete: boolean } {
  target.exec('CREATE TABLE indexed_records (row INTEGER PRIMARY KEY, segment_id TEXT, embedding_id TEXT)')
  const columns = ['segment_id', 'embedding_id']
  const complete = copyIndex(source, target, 'embeddings', RECORDS_INDEX, columns, 'indexed_records')
  const differs = '(e.segment_id IS NOT i.segment_id OR e.embedding_id IS NOT i.embedding_id)'
  target.exec(`
    DELETE FROM embeddings WHERE id IN (
      SELECT e.id FROM embeddings e JOIN indexed_records i ON i.row = e.id
      WHERE ${differs} AND (e.embedding_id IS NULL OR e.segment_id IS NULL
        OR e.segment_id NOT IN (SELECT id FROM segments)) AND i.segment_id IN (SELECT id FROM segments))`)
  const { changes } = target.run(
    `INSERT OR IGNORE INTO embeddings (id, segment_id, embedding_id, seq_id)
     SELECT row, segment_id, embedding_id, 0 FROM indexed_records
     WHERE row NOT IN (SELECT id FROM embeddings) AND segment_id IS NOT NULL AND embedding_id IS NOT NULL`,
  )
  target.exec(`
    CREATE TABLE ${DISPUTED_RECORDS} AS
    SELECT e.id AS row, e.segment_id AS segment_id, e.embedding_id AS in_table, i.embedding_id AS in_index
    FROM embeddings e JOIN indexed_records i ON i.row = e.id WHERE ${differs}`)
  return { found: changes, complete }
}

/**
 * The same for metadata and lists; documents also come from the full-text index. What stays lost, and what table and
 * index disagree on, makes its record one of {@link DOUBTFUL_RECORDS}. `lost` are the tables of which rows could not
 * be read. Returns how many values were found again.
 */
export function mendMetadata(source: Database, target: Database, lost: ReadonlySet<string>): number {
  makeDoubtful(target)
  const there = namesIn(source)
  let found = 0
  for (const table of TABLES) {
    if (table.name !== 'embedding_metadata' && !there.has(table.name) && !lost.has(table.name)) continue
    const gaps = copyKeys(source, target, table, there)
    for (const value of VALUES) {
      target.exec(`CREATE TABLE ${copyOf(table, value)} (row INTEGER PRIMARY KEY, key TEXT, ${value})`)
      const columns = ['key', value]
      if (there.has(table.values[value]))
        copyIndex(source, target, table.name, table.values[value], columns, copyOf(table, value))
    }
    found += mendTable(target, table)
    if (table.name === 'embedding_metadata' && there.has(DOCUMENTS)) found += mendDocuments(source, target)
    doubtLost(target, table)
    if (lost.has(table.name)) for (const [from, to] of gaps) doubtBetween(target, from, to)
  }
  return found
}

/** The table of {@link DOUBTFUL_RECORDS}, empty, if it is not there. */
export function makeDoubtful(target: Database): void {
  target.exec(`CREATE TABLE IF NOT EXISTS ${DOUBTFUL_RECORDS} (id INTEGER PRIMARY KEY)`)
}

/** Rows that stand in the index, and not in the table, or not as the index has them. */
function mendTable(target: Database, table: MetadataTable): number {
  const { name } = table
  const keys = copyOf(table, 'keys')
  const joins = VALUES.map(
    (value) => `LEFT JOIN ${copyOf(table, value)} AS own_${value}
      ON own_${value}.row = k.row AND own_${value}.key IS k.key`,
  ).join(' ')
  const values = VALUES.map((value) => `own_${value}.${value}`).join(', ')
  // A page of zeros reads as rows of nothing.
  target.exec(`
    DELETE FROM ${name} WHERE rowid IN (
      SELECT t.rowid FROM ${name} t JOIN ${keys} k ON k.row = t.rowid ${joins}
      WHERE ((t.id IS NOT k.id OR t.key IS NOT k.key)
          AND (t.id IS NULL OR t.key IS NULL OR t.id NOT IN (SELECT id FROM embeddings)))
        OR (coalesce(t.string_value, t.int_value, t.float_value, t.bool_value) IS NULL
          AND coalesce(${values}) IS NOT NULL))`)
  const { changes } = target.run(
    `INSERT OR IGNORE INTO ${name} (rowid, id, key, ${VALUES.join(', ')})
     SELECT k.row, k.id, k.key, ${values} FROM ${keys} k ${joins}
     WHERE k.row NOT IN (SELECT rowid FROM ${name}) AND coalesce(${values}) IS NOT NULL`,
  )
  const doubt = `INSERT OR IGNORE INTO ${DOUBTFUL_RECORDS}`
  const pair = `FROM ${name} t JOIN ${keys} k ON k.row = t.rowid WHERE t.id IS NOT k.id OR t.key IS NOT k.key`
  target.exec(`${doubt} SELECT t.id ${pair}; ${doubt} SELECT k.id ${pair}`)
  for (const value of VALUES)
    target.exec(
      `${doubt} SELECT t.id FROM ${name} t JOIN ${copyOf(table, value)} v ON v.row = t.rowid
       WHERE t.${value} IS NOT v.${value} OR t.key IS NOT v.key`,
    )
  return changes
}

function mendDocuments(source: Database, target: Database): number {
  const keys = copyOf({ name: 'embedding_metadata' }, 'keys')
  const sql = `INSERT OR IGNORE INTO embedding_metadata (id, key, string_value)
    SELECT id, key, CAST(? AS TEXT) FROM ${keys}
    WHERE id = ? AND key = '${DOCUMENT}' AND row NOT IN (SELECT rowid FROM embedding_metadata)`
  target.exec(`CREATE INDEX own_keys ON ${keys} (id, key)`)
  const lost = target.all(
    `SELECT id FROM ${keys} k WHERE key = '${DOCUMENT}' AND NOT EXISTS
       (SELECT 1 FROM embedding_metadata t WHERE t.id = k.id AND t.key = k.key)`,
  )
  let found = 0
  for (const { id = null } of lost)
    hitsDamage(() => {
      const text = source.get(`SELECT c0 FROM ${DOCUMENTS} WHERE id = ?`, id)?.['c0']
      if (typeof text === 'string') found += target.run(sql, Buffer.from(text), id).changes
    })
  return found
}

/** A key that the index has and no row. */
function doubtLost(target: Database, table: MetadataTable): void {
  target.exec(
    `INSERT OR IGNORE INTO ${DOUBTFUL_RECORDS} SELECT k.id FROM ${copyOf(table, 'keys')} k
     WHERE k.id IS NOT NULL AND k.row NOT IN (SELECT rowid FROM ${table.name}) AND ${
       table.name === 'embedding_metadata'
         ? `NOT EXISTS (SELECT 1 FROM embedding_metadata t WHERE t.id = k.id AND t.key = k.key)`
         : '1'
     }`,
  )
}

function doubtBetween(target: Database, from: bigint, to: bigint | null): void {
  target.run(
    `INSERT OR IGNORE INTO ${DOUBTFUL_RECORDS} SELECT id FROM embeddings WHERE id >= ? AND (? IS NULL OR id <= ?)`,
    from,
    to,
    to,
  )
}

/** Returns the stretches of ids of which the index could not be read. */
function copyKeys(
  source: Database,
  target: Database,
  table: MetadataTable,
  there: ReadonlySet<string>,
): readonly (readonly [bigint, bigint | null])[] {
  const { name, keys } = table
  target.exec(`CREATE TABLE ${copyOf(table, 'keys')} (row INTEGER PRIMARY KEY, id INTEGER, key TEXT)`)
  if (!there.has(keys)) return [[0n, null]]
  const rest = `FROM ${quoted(name)} INDEXED BY ${quoted(keys)} WHERE id >= ? ORDER BY id, key`
  const writer = new RowWriter(target, copyOf(table, 'keys'), ['id', 'key'])
  const gaps: [bigint, bigint | null][] = []
  for (let from = 0n; ;) {
    let last = from
    const damaged = hitsDamage(() => {
      for (const row of source.iterate(`SELECT rowid AS salvaged_rowid, id, key ${rest}`, from)) {
        writer.add(row)
        if (typeof row['id'] === 'bigint' && row['id'] > last) last = row['id']
      }
    })
    const behind = damaged ? nextReadable(source, `SELECT id ${rest} LIMIT 1`, last) : null
    if (damaged) gaps.push([last, behind === null ? null : behind - 1n])
    if (behind === null) break
    from = behind
  }
  writer.end()
  return gaps
}

/** From the beginning to damage, and from the end to damage. Whether there was none. */
function copyIndex(
  source: Database,
  target: Database,
  table: string,
  index: string,
  columns: readonly string[],
  into: string,
): boolean {
  const list = columns.map(quoted).join(', ')
  // A partial index is used only for what it is of.
  const rest = `FROM ${quoted(table)} INDEXED BY ${quoted(index)} WHERE ${quoted(columns.at(-1) ?? '')} IS NOT NULL`
  const writer = new RowWriter(target, into, columns)
  try {
    for (const direction of ['ASC', 'DESC']) {
      const order = columns.map((column) => `${quoted(column)} ${direction}`).join(', ')
      const damaged = hitsDamage(() => {
        for (const row of source.iterate(`SELECT rowid AS salvaged_rowid, ${list} ${rest} ORDER BY ${order}`))
          writer.add(row)
      })
      if (!damaged) return true
    }
    return false
  } finally {
    writer.end()
  }
}

function copyOf({ name }: { readonly name: string }, part: string): string {
  return `indexed_${name}_${part}`
}

function namesIn(database: Database): ReadonlySet<string> {
  const names = new Set<string>()
  hitsDamage(() => {
    for (const { name } of database.iterate('SELECT name FROM sqlite_master')) names.add(String(name))
  })
  return names
}
