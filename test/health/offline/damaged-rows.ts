import { copyFile, mkdir } from 'node:fs/promises'
import path from 'node:path'

import { elsewhere, saved, segmentOf, sql, topicOf, unsaved, type Damage } from './damage.js'

/** Damage to rows: what deleted collections leave, the log, the full-text index. */
export const damagedRows: readonly Damage[] = [
  // What deleted collections leave.
  {
    what: 'a folder of an index that no collection has',
    plant: async (at) => {
      await mkdir(path.join(at, elsewhere))
      await copyFile(path.join(at, 'chroma.sqlite3'), path.join(at, elsewhere, 'header.bin'))
    },
    found: ['warning ORPHAN_FOLDERS'],
  },
  {
    what: 'a segment without a collection',
    plant: sql(
      `INSERT INTO segments VALUES ('${elsewhere}', 'urn:chroma:segment/metadata/sqlite', 'METADATA', 'gone')`,
    ),
    found: ['warning ORPHAN_SEGMENTS'],
  },
  {
    what: 'lists of records that are gone',
    plant: sql("INSERT INTO embedding_metadata_array (id, key, string_value) VALUES (99999, 'tags', 'a')"),
    found: ['warning ORPHAN_ARRAYS'],
  },
  {
    what: 'records of a segment that is gone',
    plant: sql(`INSERT INTO embeddings (segment_id, embedding_id, seq_id) VALUES ('${elsewhere}', 'x', 1)`),
    found: ['warning ORPHAN_RECORDS'],
  },
  {
    what: 'metadata of a record that is gone',
    plant: sql("INSERT INTO embedding_metadata (id, key, int_value) VALUES (99999, 'n', 1)"),
    found: ['warning ORPHAN_RECORDS'],
  },
  {
    what: 'a document in the full-text index of a record that is gone',
    plant: sql("INSERT INTO embedding_fulltext_search (rowid, string_value) VALUES (99999, 'left behind')"),
    found: ['warning ORPHAN_RECORDS'],
  },
  {
    what: 'metadata of a segment and of a collection that are gone',
    plant: sql(
      `INSERT INTO segment_metadata (segment_id, key, str_value) VALUES ('${elsewhere}', 'hnsw:space', 'l2')`,
      `INSERT INTO collection_metadata (collection_id, key, str_value) VALUES ('${elsewhere}', 'a', 'b')`,
      `INSERT INTO max_seq_id (segment_id, seq_id) VALUES ('${elsewhere}', 12345678)`,
    ),
    found: ['warning ORPHAN_RECORDS'],
  },
  {
    what: 'a collection of a database that is gone',
    plant: sql(`INSERT INTO collections (id, name, database_id) VALUES ('${elsewhere}', 'lost', 'gone')`),
    found: ['warning ORPHAN_COLLECTIONS'],
  },
  {
    what: 'a database of a tenant that is not there',
    plant: sql(`INSERT INTO databases (id, name, tenant_id) VALUES ('${elsewhere}', 'db', 'nobody')`),
    found: [],
    told: ['ORPHAN_DATABASES'],
  },
  {
    what: 'log rows of a collection that is gone',
    plant: sql(
      `INSERT INTO embeddings_queue (operation, topic, id, metadata) VALUES (0, 'persistent://default/default/${elsewhere}', 'x', '{}')`,
    ),
    found: ['warning ORPHAN_LOG_ROWS'],
  },
  {
    what: 'a collection without its vector segment',
    plant: sql(`DELETE FROM segments WHERE id = ${segmentOf('VECTOR', 'unsaved')}`),
    found: [`critical COLLECTION_INCOMPLETE ${unsaved}`, 'warning ORPHAN_FOLDERS'],
  },
  // The log.
  {
    what: 'a log that was emptied',
    plant: sql('DELETE FROM embeddings_queue'),
    found: [
      `critical LOG_BEHIND ${saved}`,
      `critical LOG_BEHIND ${saved}`,
      `critical LOG_BEHIND ${unsaved}`,
      `critical VECTORS_LOST ${saved}`,
      `critical VECTORS_LOST ${unsaved}`,
      `warning VECTORS_WITHOUT_RECORD ${saved}`,
    ],
  },
  {
    what: 'a row that the server dies of',
    plant: sql(
      `INSERT INTO embeddings_queue (operation, topic, id, metadata) VALUES (1, ${topicOf('unsaved')}, 'id1', '{"chroma:document":7}')`,
    ),
    found: [`critical LOG_POISONED ${unsaved}`],
  },
  {
    what: 'a log that is never purged',
    plant: sql(
      `WITH RECURSIVE n(i) AS (SELECT -3000 UNION ALL SELECT i + 1 FROM n WHERE i < -1)
       INSERT INTO embeddings_queue (seq_id, operation, topic, id, metadata) SELECT i, 1, ${topicOf('saved')}, 'id1', '{}' FROM n`,
      `UPDATE embeddings_queue_config SET config_json_str = '{"automatically_purge":false}'`,
    ),
    found: ['warning LOG_UNPURGED'],
  },
  {
    what: 'a position that is no number of a row',
    plant: sql(
      `UPDATE max_seq_id SET seq_id = 1229782938247303441 WHERE segment_id = ${segmentOf('METADATA')}`,
    ),
    found: [`critical POSITION_POISONED ${saved}`],
  },
  {
    what: 'a position as a BLOB, written by an old server after the upgrade',
    plant: sql(
      `UPDATE max_seq_id SET seq_id = x'00000000000000cd' WHERE segment_id = ${segmentOf('METADATA')}`,
    ),
    found: [`critical POSITION_NOT_CONVERTED ${saved}`],
  },
  // The full-text index.
  {
    what: 'the inverted index of the full-text search is damaged',
    plant: sql('DELETE FROM embedding_fulltext_search_data WHERE id > 10'),
    found: ['critical FTS_DAMAGED'],
  },
  {
    what: 'documents are missing in the full-text index',
    plant: sql('DELETE FROM embedding_fulltext_search WHERE rowid < 5'),
    found: ['warning FTS_DIFFERS'],
  },
  {
    what: 'another document in the full-text index',
    plant: sql("UPDATE embedding_fulltext_search SET string_value = 'another text' WHERE rowid = 5"),
    found: ['warning FTS_DIFFERS'],
  },
  {
    what: 'the full-text index is gone',
    plant: sql('DROP TABLE embedding_fulltext_search'),
    found: ['critical FTS_TABLES_MISSING'],
  },
  {
    what: 'a document with the character NUL',
    plant: sql(
      "UPDATE embedding_metadata SET string_value = 'a' || char(0) || 'b' WHERE id = 6 AND key = 'chroma:document'",
      "UPDATE embedding_fulltext_search_content SET c0 = 'a' || char(0) || 'b' WHERE id = 6",
    ),
    found: ['critical FTS_DAMAGED', 'warning DOCUMENT_WITH_NUL'],
  },
]
