import type { CatalogueEntry } from './catalogue-entry.js'

/** Trouble with chroma.sqlite3, and between the release that made it and the one that runs. */
export const sqliteFindings = [
  {
    finding: 'FTS_CORRUPT',
    pattern: /malformed inverted index for FTS5/i,
    what: 'The full-text index is damaged; records and vectors are not. A document with a NUL character is a known cause.',
    advice: 'rebuild the full-text index from the documents, and look for documents with U+0000',
  },
  {
    finding: 'FTS_MISSING',
    pattern: /no such table: (?:main\.)?embedding_fulltext_search/i,
    what: 'The full-text index is gone; records and vectors are not.',
    advice: 'create the full-text index again from the documents',
  },
  {
    finding: 'SQLITE_CORRUPT',
    pattern: /database disk image is malformed|\(code: (?:11|267|779)\)|SQLITE_CORRUPT/i,
    what: 'Pages of chroma.sqlite3 are damaged. Code 779 means that only an index, often the full-text index, is affected.',
    advice:
      'stop the server, copy the data directory, run PRAGMA integrity_check on the copy, then restore from a backup or recover with the sqlite3 shell (.recover)',
    warning: 'Do not vacuum and do not delete anything before there is a copy.',
  },
  {
    finding: 'NOT_SQLITE',
    pattern: /file is not a database|\(code: 26\)/i,
    what: 'chroma.sqlite3 is not a SQLite file: a Git LFS pointer, a copy that was cut off, or an encrypted file.',
    advice: 'look at the first bytes of the file and its size, and copy it again from where it came from',
  },
  {
    finding: 'DISK_FULL',
    pattern: /database or disk is full|No space left on device|ENOSPC|\(code: 13\)/i,
    what: 'There is no room to write: on the data disk, or in the folder where SQLite keeps its temporary files.',
    advice:
      'free space on both file systems, the data directory and SQLITE_TMPDIR (or /tmp), then repeat what failed',
  },
  {
    finding: 'READONLY',
    pattern:
      /attempt to write a readonly database|readonly database|Read-only file system|\(code: (?:8|1032)\)/i,
    what: 'Chroma may not write to its files. Code 8 is about permissions or a read-only mount; code 1032 means that the file was replaced while the server had it open.',
    advice: 'correct owner and mount of the data directory; after code 1032 restart the server',
  },
  {
    finding: 'NETFS',
    pattern: /locking protocol|\(code: 15\)/i,
    what: 'File locks do not work as SQLite needs them; typical of network file systems.',
    advice: 'move the data directory to a local disk or a block volume',
  },
  {
    finding: 'LOCKED',
    pattern: /database is locked|database table is locked|SQLITE_BUSY|\(code: (?:5|517|261)\)/i,
    what: 'Somebody else is writing to chroma.sqlite3 at this moment: another process on the same data directory, or a long transaction.',
    advice:
      'repeat it in a moment; if it stays, find the other process that has the data directory open, and put the directory on a local disk',
  },
  {
    finding: 'BLOB_SEQ_ID',
    pattern: /Rust type .?u64.? .*SQL type .?BLOB/i,
    what: 'Sequence numbers are stored as an old release stored them (BLOB), and this server reads only integers; typical after going back and forth between 0.6 and 1.x.',
    advice:
      'restore the data directory from a backup made before, or open a copy of it with Chroma 1.0.15 or newer',
    warning: 'Do not convert values that start with 0x11 0x11: that poisons the sequence for ever.',
  },
  {
    finding: 'VERSION_MISMATCH',
    pattern:
      /range start index \d+ out of range|Inconsistent (?:version|hash)|Unapplied migrations|Migrations table not initialized|no such column: collections\.(?:topic|schema_str)/i,
    what: 'The data directory was last opened by another release of Chroma than the one that reads it now. Upgrades of a directory cannot be undone.',
    advice: 'open it with the release that opened it last, or a newer one; make a copy before any upgrade',
  },
  {
    finding: 'NOT_INITIALISED',
    pattern: /no such table: (?:tenants|databases|collections|migrations)/i,
    what: 'The database is empty: the server looks at another folder than the one with the data, or cannot write there.',
    advice: 'check the persist path and the volume (1.x keeps its data in /data), and restart the server',
  },
  {
    finding: 'WRONG_TARGET',
    pattern: /Could not connect to (?:tenant|database)/i,
    what: 'A client did not find its tenant or database: a wrong host, port or name, an empty server, or releases of client and server that do not fit.',
    advice: 'check URL, tenant and database, and whether the server runs on the folder you mean',
  },
  {
    finding: 'CLIENT_SERVER_SKEW',
    pattern:
      /KeyError: '(?:_type|dimension|configuration_json)'|unexpected keyword argument 'configuration_json'/i,
    what: 'Client and server are releases that do not understand each other.',
    advice: 'use the same release of Chroma on both sides',
  },
] as const satisfies readonly CatalogueEntry[]
