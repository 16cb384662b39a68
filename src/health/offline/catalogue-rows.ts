import { RESCUE, RESTORE, type CatalogueEntry } from './catalogue-entry.js'

const CLEAN_ORPHANS = 'chroma-ops cleanup orphans --path {path} --apply'
const CLEAN_LOG = 'chroma-ops cleanup wal --path {path} --apply'

/** What deleted collections leave behind, and the write-ahead log. */
export const rowEntries = {
  ORPHAN_FOLDERS: {
    severity: 'warning',
    meaning: 'Folders of indexes that no collection has any more.',
    consequence: 'They only take space: Chroma 1.x never deletes the folder of a deleted collection.',
    advice: 'have them removed; the server may run meanwhile',
    command: CLEAN_ORPHANS,
  },
  ORPHAN_SEGMENTS: {
    severity: 'warning',
    meaning: 'Segments of collections that are gone, as deleting a database leaves them.',
    consequence: '"chroma vacuum" fails because of them, and exits with 0.',
    advice: 'have them removed before vacuuming',
    command: CLEAN_ORPHANS,
  },
  ORPHAN_ARRAYS: {
    severity: 'warning',
    meaning: 'Lists in metadata of records that are gone.',
    consequence:
      'Chroma gives the numbers of deleted records to new ones, which then show these lists as theirs.',
    advice: 'have them removed before more records are written',
    command: CLEAN_ORPHANS,
  },
  ORPHAN_RECORDS: {
    severity: 'warning',
    meaning: 'Records, metadata, documents or positions of collections that are gone.',
    consequence: 'They take space, and the text of deleted documents is still there to be read.',
    advice: 'have them removed',
    command: CLEAN_ORPHANS,
  },
  ORPHAN_COLLECTIONS: {
    severity: 'warning',
    meaning: 'Collections of a database that is gone.',
    consequence: 'Nobody can reach them by name.',
    advice: 'keep them in a physical backup if they matter; no command removes them',
    command: 'chroma-ops backup --path {path} --repo REPOSITORY --type physical',
  },
  ORPHAN_DATABASES: {
    severity: 'info',
    meaning: 'Databases of a tenant that does not exist; Chroma creates such databases when asked to.',
    consequence: 'They work by name, but no list of tenants leads to them.',
    advice: 'create the tenant, or delete the databases',
    command: null,
  },
  ORPHAN_LOG_ROWS: {
    severity: 'warning',
    meaning: 'Rows of the log that belong to collections that are gone.',
    consequence: 'They are never purged, and hold vectors and the text of deleted documents.',
    advice: 'have them removed',
    command: CLEAN_LOG,
  },
  COLLECTION_INCOMPLETE: {
    severity: 'critical',
    meaning: 'A collection lacks one of its two segments.',
    consequence: 'Every request to it fails (412).',
    advice: 'restore the collection from a backup',
    command: RESTORE,
  },
  LOG_UNPURGED: {
    severity: 'warning',
    meaning: 'The log keeps many rows that all indexes have saved long ago.',
    consequence: 'The database grows, and the text of deleted records stays in it.',
    advice: 'have the log purged; a database made before Chroma 0.5.6 never purges it by itself',
    command: CLEAN_LOG,
  },
  LOG_POISONED: {
    severity: 'critical',
    meaning: 'The log holds a row that the server cannot read.',
    consequence:
      'When the collection is used, the component that applies the log dies for all collections, after every restart again.',
    advice: 'stop the server, rescue the records, and restore them into a new directory',
    command: RESCUE,
  },
  LOG_BEHIND: {
    severity: 'critical',
    meaning: 'The log has been emptied: its newest row is older than what the indexes have seen.',
    consequence:
      'The next writes get numbers that count as seen: they are answered with success, never applied, and purged.',
    advice: 'stop all writers now; back up the records and restore them into a new directory',
    command: 'chroma-ops backup --path {path} --type full --repo REPOSITORY',
  },
  POSITION_POISONED: {
    severity: 'critical',
    meaning: 'A position in max_seq_id is no possible number.',
    consequence: 'Every write to the collection counts as already applied, and is lost.',
    advice: 'stop all writers; restore a backup, or rescue the records',
    command: RESCUE,
  },
  POSITION_NOT_CONVERTED: {
    severity: 'critical',
    meaning:
      'A position in max_seq_id is stored as Chroma did before 1.0, in a database that has been migrated.',
    consequence: 'Every request to the collection fails ("mismatched types … u64 … BLOB").',
    advice: 'an old server has written to the directory after the upgrade: rescue the records',
    command: RESCUE,
  },
  WRITES_INVISIBLE: {
    severity: 'info',
    meaning: 'Writes that were confirmed are still only in the log.',
    consequence: 'They become visible when the server opens the collection the next time.',
    advice: 'nothing; only a copy without the log would lack them',
    command: null,
  },
} as const satisfies Record<string, CatalogueEntry>
