import { DatabaseDamagedError } from './errors.js'
import { mendMetadata, mendRecords } from './rescue-keys.js'
import { RowWriter } from './rescue-rows.js'
import { salvageTable, type SalvagedTable } from './rescue-table.js'
import type { Database } from './sqlite.js'

/** Every table that records are read from, as Chroma 1.5 has it, with the columns that must be there. */
const TABLES: Readonly<Record<string, string>> = {
  migrations: 'dir TEXT, version INTEGER, filename TEXT, sql TEXT, hash TEXT',
  tenants: 'id TEXT',
  databases: 'id TEXT, name TEXT, tenant_id TEXT',
  collections:
    'id TEXT, name TEXT, dimension INTEGER, database_id TEXT, config_json_str TEXT, schema_str TEXT',
  collection_metadata:
    'collection_id TEXT, key TEXT, str_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER',
  segments: 'id TEXT, type TEXT, scope TEXT, collection TEXT',
  segment_metadata:
    'segment_id TEXT, key TEXT, str_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER',
  embeddings: 'id INTEGER PRIMARY KEY, segment_id TEXT, embedding_id TEXT, seq_id BLOB, created_at TIMESTAMP',
  embedding_metadata:
    'id INTEGER, key TEXT, string_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER, PRIMARY KEY (id, key)',
  embedding_metadata_array:
    'id INTEGER, key TEXT, string_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER',
  max_seq_id: 'segment_id TEXT, seq_id INTEGER',
  embeddings_queue:
    'seq_id INTEGER PRIMARY KEY, created_at TIMESTAMP, operation INTEGER, topic TEXT, id TEXT, vector BLOB, encoding TEXT, metadata TEXT',
}
const INDEXES = [
  'CREATE UNIQUE INDEX own_records ON embeddings (segment_id, embedding_id)',
  'CREATE INDEX own_arrays ON embedding_metadata_array (id, key)',
]

export interface SalvagedDatabase {
  readonly tables: readonly SalvagedTable[]
  /** Rows of `embeddings` that only its index had. */
  readonly recordsFound: number
  /** Values of metadata, and documents, that only an index had. */
  readonly valuesFound: number
  /** Whether every record of the collections is there. */
  readonly recordsComplete: boolean
}

/** Whether reading the database as it is can be trusted: also that tables say what their indexes say. */
export function isSound(database: Database): boolean {
  try {
    const [first] = database.all('PRAGMA integrity_check(1)')
    return Object.values(first ?? {})[0] === 'ok' && missingTables(database).length === 0
  } catch (error) {
    if (error instanceof DatabaseDamagedError) return false
    throw error
  }
}

/**
 * Copies what can be read of a damaged database into an empty one, row by row, without its indexes; then what only
 * the indexes still have, see {@link mendRecords} and {@link mendMetadata}.
 */
export function salvageDatabase(source: Database, target: Database): SalvagedDatabase {
  target.exec('PRAGMA foreign_keys = OFF')
  createTables(target)
  const there = tablesOf(source)
  const salvaged: SalvagedTable[] = []
  for (const name of Object.keys(TABLES)) {
    const columns = columnsIn(source, target, name, there)
    if (columns === null) {
      if (name !== 'embedding_metadata_array') salvaged.push({ name, rows: 0, lost: [[0n, null]] })
      continue
    }
    const writer = new RowWriter(target, name, columns)
    salvaged.push(salvageTable(source, name, columns, (row) => writer.add(row)))
    writer.end()
  }
  const lost = new Set(salvaged.filter((table) => table.lost.length > 0).map(({ name }) => name))
  const records = mendRecords(source, target)
  return {
    tables: salvaged,
    recordsFound: records.found,
    valuesFound: mendMetadata(source, target, lost),
    recordsComplete: !lost.has('embeddings') || records.complete,
  }
}

/** The tables, empty. */
export function createTables(target: Database): void {
  for (const [name, columns] of Object.entries(TABLES)) target.exec(`CREATE TABLE ${name} (${columns})`)
  for (const sql of INDEXES) target.exec(sql)
}

function missingTables(database: Database): readonly string[] {
  const there = tablesOf(database)
  // Lists came with 1.5.
  return Object.keys(TABLES).filter((name) => name !== 'embedding_metadata_array' && !there.has(name))
}

function tablesOf(database: Database): ReadonlySet<string> {
  try {
    const rows = database.all("SELECT name FROM sqlite_master WHERE type = 'table'")
    return new Set(rows.map(({ name }) => String(name)))
  } catch (error) {
    if (error instanceof DatabaseDamagedError) return new Set()
    throw error
  }
}

/** Columns that both have; null when the source lacks the table. */
function columnsIn(
  source: Database,
  target: Database,
  name: string,
  there: ReadonlySet<string>,
): readonly string[] | null {
  if (!there.has(name)) return null
  const own = new Set(columnNames(source, name))
  return columnNames(target, name).filter((column) => own.has(column))
}

function columnNames(database: Database, table: string): readonly string[] {
  return database.all('SELECT name FROM pragma_table_info(?)', table).map(({ name }) => String(name))
}
