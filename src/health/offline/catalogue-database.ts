import { RESCUE, RESTORE, type CatalogueEntry } from './catalogue-entry.js'

/** The SQLite file, its schema and its full-text index. */
export const databaseEntries = {
  NO_DATABASE: {
    severity: 'critical',
    meaning: 'The directory holds no chroma.sqlite3.',
    consequence: 'A server started here makes a new, empty database, and everything seems to be gone.',
    advice:
      'start the server on the directory that holds the database: Chroma 1.0 moved the default in containers to /data',
    command: null,
  },
  DATABASE_UNREADABLE: {
    severity: 'critical',
    meaning: 'chroma.sqlite3 cannot be opened or read.',
    consequence: 'Nothing is known of the data, and a server cannot use it either.',
    advice: 'look at the owner and the rights of the file, and whether it was copied whole',
    command: RESCUE,
  },
  DATABASE_DAMAGED: {
    severity: 'critical',
    meaning: 'Pages of chroma.sqlite3 contradict each other ("database disk image is malformed").',
    consequence: 'Requests fail, now or when they touch the damaged pages; writing makes it worse.',
    advice: 'stop the server, leave the directory as it is, and restore a backup, or rescue what can be read',
    command: RESCUE,
  },
  DATABASE_OVERWRITTEN: {
    severity: 'critical',
    meaning: 'A vacuum with --via was killed while it wrote over chroma.sqlite3.',
    consequence: 'No server can use the file. The whole database is in the folder that was named with --via.',
    advice: 'do not delete that folder; let cleanup finish the work from there',
    command: 'chroma-ops cleanup --path {path} --apply',
  },
  DATABASE_NOT_CHECKED: {
    severity: 'info',
    meaning:
      'The pages of the database, or its full-text index, were not compared, to spare the server that works on it, or time.',
    consequence:
      'Damage that only this comparison finds would not have been seen: of single pages, or hits that a search in documents misses.',
    advice:
      'use --level deep while the server is stopped (else its writers wait until it is done), or make a physical backup, which compares the pages of its copy',
    command: 'chroma-ops health --path {path} --level deep',
  },
  JOURNAL_HOT: {
    severity: 'warning',
    meaning: 'A writer was killed in the middle of a transaction; its journal is still to be rolled back.',
    consequence:
      'The next server rolls the transaction back when it opens the database. A copy of chroma.sqlite3 without its -journal file is damaged.',
    advice: 'never delete the -journal file; start the server, or copy both files together',
    command: null,
  },
  SCHEMA_MISSING: {
    severity: 'critical',
    meaning: 'The database lacks tables of Chroma.',
    consequence: 'No server can use it.',
    advice: 'make sure that it is the right file, and restore a backup',
    command: RESTORE,
  },
  SCHEMA_UNKNOWN: {
    severity: 'warning',
    meaning: 'The database was migrated by a Chroma that this version of chroma-ops does not know.',
    consequence: 'What was read may be incomplete, and an older server may die of it.',
    advice: 'use a newer chroma-ops, and open it only with the Chroma that wrote it or a newer one',
    command: null,
  },
  SCHEMA_INCONSISTENT: {
    severity: 'critical',
    meaning: 'The list of migrations has gaps, or a migration does not match its own hash.',
    consequence: 'A server refuses to start on it ("Inconsistent version", "Inconsistent hash").',
    advice: 'somebody edited the database: restore a backup, or rescue the records',
    command: RESCUE,
  },
  FTS_TABLES_MISSING: {
    severity: 'critical',
    meaning: 'Tables of the full-text index are missing.',
    consequence: 'Writing documents and searching in them fails.',
    advice: 'stop the server and rebuild the full-text index from the documents',
    command: 'chroma-ops cleanup fts --path {path} --apply',
  },
  FTS_DAMAGED: {
    severity: 'critical',
    meaning: 'The inverted index of the full-text search contradicts the documents it was made from.',
    consequence: 'Searching in documents fails or misses hits, and deleting or updating records may fail.',
    advice: 'stop the server and rebuild the full-text index from the documents',
    command: 'chroma-ops cleanup fts --path {path} --apply',
  },
  FTS_DIFFERS: {
    severity: 'warning',
    meaning: 'The full-text index does not hold the same documents as the records.',
    consequence: 'Searching in documents misses hits, or finds records by a text that they no longer have.',
    advice: 'stop the server and rebuild the full-text index from the documents',
    command: 'chroma-ops cleanup fts --path {path} --apply',
  },
  DOCUMENT_WITH_NUL: {
    severity: 'warning',
    meaning: 'A document contains the character NUL.',
    consequence:
      'It can damage the full-text index of all collections, and tools cut the document off there.',
    advice: 'find out who writes such documents, and write them again without it',
    command: null,
  },
  DATABASE_FRAGMENTED: {
    severity: 'info',
    meaning: 'A large part of chroma.sqlite3 holds nothing.',
    consequence: 'Disk space is wasted, and the text of deleted documents is still in the file.',
    advice: 'vacuum it while the server is stopped',
    command: 'chroma-ops cleanup vacuum --path {path} --apply',
  },
} as const satisfies Record<string, CatalogueEntry>
