import type { CatalogueEntry } from './catalogue-entry.js'

const KEEP_SEGMENT =
  'Never delete or move the segment folder: the log that could rebuild it has been purged, and vectors would be lost without any error.'

/** Trouble with the vector index; the most specific text first. */
export const vectorFindings = [
  {
    finding: 'LINKLIST_CORRUPT',
    pattern: /loadIndex failed to allocate linklist/i,
    what: 'The link lists of the vector index (link_lists.bin) are damaged; often the file has grown to an absurd size. The vectors themselves are in data_level0.bin and usually intact.',
    advice:
      'stop Chroma now, copy the whole data directory, then rebuild this index from its vectors ("chroma-ops rebuild index") or restore the collection from a backup',
    warning: KEEP_SEGMENT,
  },
  {
    finding: 'HNSW_MISSING',
    pattern: /Nothing found on disk|Cannot open header file/i,
    what: 'Chroma looks for the files of a vector index and does not find them: they are gone, or this process still uses a folder that was replaced under it.',
    advice:
      'restart the server once; if the error stays, compare the segment folders with the collections and restore the collection from a backup',
    warning: KEEP_SEGMENT,
  },
  {
    finding: 'PICKLE_BAD',
    pattern: /Error (?:opening|deserializing) pickle file|pickle data was truncated/i,
    what: 'index_metadata.pickle, which says which record each vector belongs to, is cut off or unreadable; typical after a kill in the middle of a write.',
    advice:
      'stop the server, copy the data directory, and restore the collection from a backup, or read what is left with "chroma-ops rescue"',
    warning: KEEP_SEGMENT,
  },
  {
    finding: 'HNSW_UNLOADABLE',
    pattern: /Error loading hnsw index|Error creating hnsw segment reader/i,
    what: 'The vector index of a collection cannot be loaded, while heartbeat and count still look fine. Usually the server was killed, or two processes wrote, while the index was being saved.',
    advice:
      'stop all writers, copy the whole data directory, then restore the collection from a backup, or read its records with "chroma-ops rescue"',
    warning: KEEP_SEGMENT,
  },
  {
    finding: 'VECTOR_MISSING',
    pattern: /Error finding id/i,
    what: 'Records are there, but their vectors are not: the index has lost them. Counts, documents and queries look healthy meanwhile.',
    advice:
      'find out which ids are affected (health --level deep), then restore them from a backup or embed their documents again',
    warning: KEEP_SEGMENT,
  },
  {
    finding: 'HNSW_DIVERGED',
    pattern:
      /Error getting embedding|Error querying knn|Label not found|list assignment index out of range|Error in (?:local )?hnsw/i,
    what: 'The vector index and the records disagree about what is there.',
    advice:
      'stop all writers, copy the data directory, read every embedding back (health --level deep), then restore what is missing from a backup',
    warning: KEEP_SEGMENT,
  },
  {
    finding: 'CONFIG_BAD',
    pattern:
      /Collection is missing HNSW configuration|Could not parse HNSW configuration|Unknown HNSW parameter/i,
    what: 'The index settings of a collection from an older release are not understood.',
    advice: 'correct the hnsw:* keys in the metadata of the collection, for example remove hnsw:ef',
  },
] as const satisfies readonly CatalogueEntry[]

/** Trouble between the write-ahead log and the collections; behind it there is often one of SQLite. */
export const logFindings = [
  {
    finding: 'COMPACTION_WEDGED',
    pattern: /Failed to apply logs to the (?:hnsw segment writer|metadata segment)/i,
    what: 'The server cannot carry its write-ahead log over into the collection. Writes pile up, and every read tries again from the start.',
    advice:
      'check free disk space first, then the types of the metadata written last; back up what can be read before restarting the server',
    warning: 'Do not repeat the request in a loop: each attempt replays the whole log.',
  },
  {
    finding: 'WAL_UNREADABLE',
    pattern: /Failed to pull logs from the log store/i,
    what: 'The write-ahead log (table embeddings_queue) cannot be read.',
    advice:
      'stop the server, copy the data directory, and run PRAGMA quick_check on the copy of chroma.sqlite3',
  },
  {
    finding: 'PURGE_FAILED',
    pattern: /Error purging logs/i,
    what: 'Old entries of the write-ahead log could not be removed; data is not affected, but the file grows.',
    advice: 'check free disk space, and whether another process holds a lock on chroma.sqlite3',
  },
  {
    finding: 'COMPACTOR_DEAD',
    pattern:
      /Error sending (?:backfill|purge|compaction) request to compactor|Channel closed|receiver dropped/i,
    what: 'The part of the server that applies writes has stopped. Every write and every first read fails until a restart, while heartbeat and healthcheck stay green.',
    advice: 'read the server log for the first panic, back up what can be read, then restart the server',
  },
] as const satisfies readonly CatalogueEntry[]
