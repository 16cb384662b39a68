import type { RepairedIndex } from './rescue-index.js'
import { DISPUTED_RECORDS, DOUBTFUL_RECORDS } from './rescue-keys.js'
import type { Database, SqlRow, SqlValue } from './sqlite.js'

/** Below this share of common ids an index is taken for somebody else's. */
const COMMON_SHARE = 0.5
const SAMPLE = 2_000
const VECTOR_TYPE = 'urn:chroma:segment/vector/hnsw-local-persisted'
const METADATA_TYPE = 'urn:chroma:segment/metadata/sqlite'
const DEFAULT_DATABASE = '00000000-0000-0000-0000-000000000000'
const TENANT = 'default_tenant'

/**
 * Fills gaps between tables of a private copy, so that every record that is there can be read: collections
 * without a database, segments without a collection, collections without a segment. Returns what was found, one
 * sentence each.
 */
export function fillGaps(
  database: Database,
  indexes: ReadonlyMap<string, RepairedIndex>,
  { rowsLost }: { readonly rowsLost: boolean },
): readonly string[] {
  const notes: string[] = []
  // A healthy directory has segments of collections that were deleted: those stay deleted.
  if (rowsLost) adoptSegments(database, indexes, notes)
  giveDatabases(database, notes)
  findSegments(database, indexes, notes)
  return notes
}

/** When nothing of the database can be read: a collection for each index, by the ids in it. */
export function inventCollections(
  database: Database,
  indexes: ReadonlyMap<string, RepairedIndex>,
): readonly string[] {
  const notes: string[] = []
  for (const [folder, { labels, dimension }] of indexes) {
    if (labels.size === 0) continue
    const name = `rescued-${folder.slice(0, 8)}`
    addCollection(database, folder, name, dimension)
    database.run(
      'INSERT INTO segments (id, type, scope, collection) VALUES (?, ?, ?, ?)',
      folder,
      VECTOR_TYPE,
      'VECTOR',
      folder,
    )
    database.run(
      'INSERT INTO segments (id, type, scope, collection) VALUES (?, ?, ?, ?)',
      `${folder}-records`,
      METADATA_TYPE,
      'METADATA',
      folder,
    )
    notes.push(
      `the index in ${folder} belongs to a collection whose name and settings are lost, its space too; it is called ${name}`,
    )
  }
  giveDatabases(database, [])
  return notes
}

/**
 * Texts whose record is lost, and with it their id: they are taken out, or a record that is added would get them.
 * Returns how many there were.
 */
export function dropTextsWithoutId(database: Database): number {
  const stray = 'id NOT IN (SELECT id FROM embeddings)'
  const count = database.get(`SELECT count(DISTINCT id) AS count FROM embedding_metadata WHERE ${stray}`)?.[
    'count'
  ]
  for (const table of ['embedding_metadata', 'embedding_metadata_array'])
    database.run(`DELETE FROM ${table} WHERE ${stray}`)
  return Number(count ?? 0)
}

/**
 * Where a table and its index name different ids for a record, that one is taken that the vectors or the log know.
 * If they know both or none, the record keeps that of the table. Returns a sentence if there were any.
 */
export function settleIds(
  database: Database,
  indexes: ReadonlyMap<string, RepairedIndex>,
): readonly string[] {
  const disputes = database.all(
    `SELECT d.row, d.in_table, d.in_index, v.id AS vector, v.collection FROM ${DISPUTED_RECORDS} d
     LEFT JOIN segments m ON m.id = d.segment_id
     LEFT JOIN segments v ON v.collection = m.collection AND v.scope = 'VECTOR'`,
  )
  for (const { row = null, in_table: inTable, in_index: inIndex, vector, collection = null } of disputes) {
    const labels = indexes.get(String(vector))?.labels
    const isKnown = (id: SqlValue | undefined) =>
      typeof id === 'string' &&
      (labels?.has(id) === true ||
        database.get(
          'SELECT 1 FROM embeddings_queue WHERE id = CAST(? AS TEXT) AND substr(topic, -36) = ?',
          Buffer.from(id),
          collection,
        ) !== undefined)
    if (typeof inIndex === 'string' && isKnown(inIndex) && !isKnown(inTable))
      database.run(
        'UPDATE OR IGNORE embeddings SET embedding_id = CAST(? AS TEXT) WHERE id = ?',
        Buffer.from(inIndex),
        row,
      )
    else database.run(`INSERT OR IGNORE INTO ${DOUBTFUL_RECORDS} VALUES (?)`, row)
  }
  return disputes.length === 0 ? [] : [`of ${disputes.length} records the id was written in two ways`]
}

/** Adds a record for every id that only the index knows. Returns their ids. */
export function addVectorOnly(
  database: Database,
  {
    collectionId,
    metadataSegment,
    labels,
  }: {
    readonly collectionId: string
    readonly metadataSegment: string
    readonly labels: ReadonlyMap<string, number>
  },
): ReadonlySet<string> {
  const known = idsOf(
    database.iterate('SELECT embedding_id AS id FROM embeddings WHERE segment_id = ?', metadataSegment),
  )
  const deleted = idsOf(
    database.iterate(
      'SELECT id FROM embeddings_queue WHERE operation = 3 AND substr(topic, -36) = ?',
      collectionId,
    ),
  )
  const added = new Set<string>()
  database.exec('BEGIN')
  for (const [id] of labels) {
    if (known.has(id) || deleted.has(id)) continue
    added.add(id)
    database.run(
      'INSERT INTO embeddings (segment_id, embedding_id, seq_id) VALUES (?, CAST(? AS TEXT), 0)',
      metadataSegment,
      Buffer.from(id),
    )
  }
  database.exec('COMMIT')
  return added
}

function adoptSegments(
  database: Database,
  indexes: ReadonlyMap<string, RepairedIndex>,
  notes: string[],
): void {
  const orphans = database.all(
    'SELECT DISTINCT collection AS id FROM segments WHERE collection NOT IN (SELECT id FROM collections)',
  )
  for (const { id } of orphans) {
    const name = `rescued-${String(id).slice(0, 8)}`
    const [folder] = database.all(
      "SELECT id FROM segments WHERE scope = 'VECTOR' AND collection = ?",
      id ?? null,
    )
    addCollection(database, String(id), name, indexes.get(String(folder?.['id']))?.dimension ?? null)
    notes.push(`the name and the settings of collection ${String(id)} are lost; it is called ${name}`)
  }
}

function addCollection(database: Database, id: string, name: string, dimension: number | null): void {
  database.run(
    'INSERT INTO collections (id, name, dimension, database_id) VALUES (?, ?, ?, ?)',
    id,
    name,
    dimension === null ? null : BigInt(dimension),
    DEFAULT_DATABASE,
  )
}

function giveDatabases(database: Database, notes: string[]): void {
  const missing = database.all(
    'SELECT DISTINCT database_id AS id FROM collections WHERE database_id NOT IN (SELECT id FROM databases)',
  )
  for (const { id = null } of missing) {
    const name = id === DEFAULT_DATABASE ? 'default_database' : `rescued-${String(id).slice(0, 8)}`
    database.run('INSERT INTO databases (id, name, tenant_id) VALUES (?, ?, ?)', id, name, TENANT)
    notes.push(`the name of database ${String(id)} is lost; it is called ${name}`)
  }
}

/** Segments by the ids that they have in common: those of the records and those of an index. */
function findSegments(
  database: Database,
  indexes: ReadonlyMap<string, RepairedIndex>,
  notes: string[],
): void {
  const rows = database.all('SELECT id, scope, collection FROM segments')
  const taken = new Set(rows.map(({ id }) => String(id)))
  const strayIndexes = [...indexes].filter(([folder, { labels }]) => !taken.has(folder) && labels.size > 0)
  const strayRecords = database
    .all('SELECT DISTINCT segment_id AS id FROM embeddings')
    .map(({ id }) => String(id))
    .filter((id) => !taken.has(id))
  for (const { id, name } of database.all('SELECT id, name FROM collections')) {
    const own = (scope: string) =>
      rows.find((row) => row['collection'] === id && row['scope'] === scope)?.['id'] ?? null
    const [metadata, vector] = [own('METADATA'), own('VECTOR')]
    if (vector === null && metadata !== null) {
      const found = strayIndexes.find(([, { labels }]) => areRelated(database, String(metadata), labels))
      notes.push(
        `collection ${String(name)} has no vector segment${found ? `; ${found[0]} has its ids` : ''}`,
      )
      if (found)
        database.run(
          'INSERT INTO segments (id, type, scope, collection) VALUES (?, ?, ?, ?)',
          found[0],
          VECTOR_TYPE,
          'VECTOR',
          id ?? null,
        )
    }
    if (metadata === null) {
      const labels = indexes.get(String(vector))?.labels ?? new Map<string, number>()
      const found =
        strayRecords.find((segment) => areRelated(database, segment, labels)) ?? `${String(id)}-records`
      notes.push(`collection ${String(name)} has no metadata segment`)
      database.run(
        'INSERT INTO segments (id, type, scope, collection) VALUES (?, ?, ?, ?)',
        found,
        METADATA_TYPE,
        'METADATA',
        id ?? null,
      )
    }
  }
}

function areRelated(database: Database, segment: string, labels: ReadonlyMap<string, number>): boolean {
  const sql = `SELECT embedding_id AS id FROM embeddings WHERE segment_id = ? LIMIT ${SAMPLE}`
  const ids = idsOf(database.iterate(sql, segment))
  if (ids.size === 0) return false
  const common = [...ids].filter((id) => labels.has(id)).length
  return common / ids.size >= COMMON_SHARE
}

function idsOf(rows: Iterable<SqlRow>): ReadonlySet<string> {
  const ids = new Set<string>()
  for (const { id } of rows) if (typeof id === 'string') ids.add(id)
  return ids
}
