import { addVectorOnly } from './rescue-gaps.js'
import type { ExpectedIndex, RepairedIndex } from './rescue-index.js'
import { DOUBTFUL_RECORDS } from './rescue-keys.js'
import { staleVectors } from './rescue-log.js'
import type { OpenedCopy } from './rescue-open.js'
import type { CollectionDamage } from './rescue-source.js'
import { maxSeqIdOf } from './seq-id.js'
import type { Database } from './sqlite.js'

const DEFAULT_NEIGHBOURS = 16
/** Without all of their rows a record may be missing, or lack a change. */
const RECORD_TABLES = ['embeddings', 'embeddings_queue']
/** Of a folder that no collection names. */
export const UNKNOWN_INDEX: ExpectedIndex = {
  dimension: null,
  maxNeighbours: DEFAULT_NEIGHBOURS,
  cosine: false,
  wasSaved: true,
}

/** What collections say of their indexes, by the name of the folder. */
export function expectedIndexes(database: Database): Map<string, ExpectedIndex> {
  const expected = new Map<string, ExpectedIndex>()
  // Columns came one by one: the schema with 1.3, the configuration with 0.5.
  const rows = database.all(
    `SELECT c.*, s.id AS segment FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = 'VECTOR'`,
  )
  for (const { segment, dimension, schema_str: schema, config_json_str: config } of rows) {
    const text = `${String(schema ?? '')}${String(config ?? '')}`
    const legacy = legacySettings(database, String(segment))
    expected.set(String(segment), {
      dimension: typeof dimension === 'bigint' ? Number(dimension) : null,
      maxNeighbours: Number(
        legacy.get('hnsw:M') ?? /"max_neighbors":\s*(\d+)/.exec(text)?.[1] ?? DEFAULT_NEIGHBOURS,
      ),
      cosine: (legacy.get('hnsw:space') ?? /"space":\s*"(\w+)"/.exec(text)?.[1]) === 'cosine',
      wasSaved: maxSeqIdOf(database, String(segment)) !== null,
    })
  }
  return expected
}

/** Settings of an index as Chroma before 1.0 kept them. */
function legacySettings(database: Database, segment: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  const sql = 'SELECT key, str_value, int_value FROM segment_metadata WHERE segment_id = ?'
  for (const { key, str_value: text, int_value: number } of database.iterate(sql, segment))
    settings.set(String(key), String(text ?? number))
  return settings
}

/** What is known of each collection, by its id. Adds the records that only an index knows to the database. */
export function damageOf(
  { database, lostTables, readable }: OpenedCopy,
  indexes: ReadonlyMap<string, RepairedIndex>,
): ReadonlyMap<string, CollectionDamage> {
  const damage = new Map<string, CollectionDamage>()
  const segments = database.all('SELECT id, scope, collection FROM segments')
  const recordTables = [...lostTables].filter((name) => RECORD_TABLES.includes(name))
  const rowsLost =
    readable && recordTables.length > 0
      ? `rows of ${recordTables.join(', ')} could not be read: records of this collection may be missing, or older than they were`
      : null
  for (const { id } of database.all('SELECT id FROM collections')) {
    const own = (scope: string): string | null => {
      const found = segments.find((row) => row['collection'] === id && row['scope'] === scope)
      return found === undefined ? null : String(found['id'])
    }
    const metadataSegment = own('METADATA')
    const index = indexes.get(own('VECTOR') ?? '')
    const labels = index?.labels ?? new Map<string, number>()
    const lost = lostTables.has('embeddings') && metadataSegment !== null
    const parts = { collectionId: String(id), metadataSegment, vectorSegment: own('VECTOR') }
    damage.set(String(id), {
      vectorOnly: lost
        ? addVectorOnly(database, { collectionId: String(id), metadataSegment, labels })
        : new Set<string>(),
      vectorsWithoutId: labels.size === 0 ? (index?.elements ?? 0) : 0,
      notes: index?.notes ?? [],
      doubtfulTexts: doubtfulIn(database, metadataSegment),
      staleVectors: staleVectors(database, parts),
      rowsLost,
    })
  }
  return damage
}

function doubtfulIn(database: Database, metadataSegment: string | null): ReadonlySet<string> {
  const ids = new Set<string>()
  const sql = `SELECT embedding_id AS id FROM embeddings JOIN ${DOUBTFUL_RECORDS} USING (id) WHERE segment_id = ?`
  for (const { id } of database.iterate(sql, metadataSegment)) ids.add(String(id))
  return ids
}
