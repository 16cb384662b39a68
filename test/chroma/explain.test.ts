import { describe, expect, test } from '@jest/globals'

import { catalogue, findByCode } from '../../src/chroma/catalogue.js'
import { explainError } from '../../src/chroma/explain.js'

/** Advice as it is found in threads: it destroys data. */
const advice: [string, string][] = [
  ['Just delete the UUID directory and let Chroma rebuild the index', 'ADVICE_DELETE_SEGMENT'],
  ['I fixed it by removing the corrupted hnsw folder and restarting.', 'ADVICE_DELETE_SEGMENT'],
  ['rm -rf ./chroma/8f1c9b1e-7f43-4b0c-9a51-0d5f0c3a9d2e', 'ADVICE_DELETE_SEGMENT'],
  ['mv /data/8f1c9b1e-7f43-4b0c-9a51-0d5f0c3a9d2e /tmp', 'ADVICE_DELETE_SEGMENT'],
  ['delete index_metadata.pickle, it gets recreated', 'ADVICE_DELETE_SEGMENT'],
  ['just delete the folder and let chroma rebuild the index', 'ADVICE_DELETE_SEGMENT'],
  ['delete the uuid folder, chroma will recreate it', 'ADVICE_DELETE_SEGMENT'],
  ['remove the folder and restart, the index will be rebuilt automatically', 'ADVICE_DELETE_SEGMENT'],
  ['rm -rf the index directory and restart chroma', 'ADVICE_DELETE_SEGMENT'],
  ['just remove the subfolder and Chroma rebuilds it from sqlite', 'ADVICE_DELETE_SEGMENT'],
  ['try deleting the directory with the long random name, it gets recreated', 'ADVICE_DELETE_SEGMENT'],
  ['delete everything except chroma.sqlite3', 'ADVICE_DELETE_SEGMENT'],
  ['keep chroma.sqlite3 and delete the rest', 'ADVICE_DELETE_SEGMENT'],
  ['you can safely delete the bin files, they are only a cache', 'ADVICE_DELETE_SEGMENT'],
  ['the index is rebuilt from sqlite if you remove the folder', 'ADVICE_DELETE_SEGMENT'],
  ['rename the directory so chroma builds a new index', 'ADVICE_DELETE_SEGMENT'],
  ["clear out the persist directory's subfolders and let it reindex", 'ADVICE_DELETE_SEGMENT'],
  ['rm chroma.sqlite3-journal', 'ADVICE_DELETE_JOURNAL'],
  ['Try deleting the journal file and restart', 'ADVICE_DELETE_JOURNAL'],
  ['sqlite3 chroma.sqlite3 "DELETE FROM embeddings_queue; VACUUM"', 'ADVICE_EMPTY_LOG'],
  ['clear the WAL, it is only a cache', 'ADVICE_EMPTY_LOG'],
  ['You can safely delete chroma.sqlite3 and restart', 'ADVICE_DELETE_DATABASE'],
]

/** Texts as servers, clients and operating systems print them. */
const texts: [string, string][] = [
  [
    'Error executing plan: Error sending backfill request to compactor: Error constructing hnsw segment reader: Error creating hnsw segment reader: Error loading hnsw index',
    'HNSW_UNLOADABLE',
  ],
  [
    'Error executing plan: Error sending backfill request to compactor: Error constructing hnsw segment reader: Error creating hnsw segment reader: Nothing found on disk',
    'HNSW_MISSING',
  ],
  ['RuntimeError: Cannot open header file', 'HNSW_MISSING'],
  ['Error executing plan: Internal error: Error finding id', 'VECTOR_MISSING'],
  ['RuntimeError: Label not found', 'HNSW_DIVERGED'],
  ['Error querying knn', 'HNSW_DIVERGED'],
  ['Error in compaction: Failed to apply logs to the hnsw segment writer', 'COMPACTION_WEDGED'],
  ['Error in compaction: Failed to apply logs to the metadata segment', 'COMPACTION_WEDGED'],
  ['Error sending backfill request to compactor: Failed to pull logs from the log store', 'WAL_UNREADABLE'],
  [
    'Failed to pull logs from the log store: error returned from database: (code: 5) database is locked',
    'LOCKED',
  ],
  ['Error purging logs', 'PURGE_FAILED'],
  ['Error deserializing pickle file', 'PICKLE_BAD'],
  ['Not enough memory: loadIndex failed to allocate linklist', 'LINKLIST_CORRUPT'],
  ['Collection is missing HNSW configuration', 'CONFIG_BAD'],
  ['Unknown HNSW parameter: hnsw:ef', 'CONFIG_BAD'],
  ['error returned from database: (code: 11) database disk image is malformed', 'SQLITE_CORRUPT'],
  ['malformed inverted index for FTS5 table main.embedding_fulltext_search', 'FTS_CORRUPT'],
  ['no such table: embedding_fulltext_search', 'FTS_MISSING'],
  ['sqlite3.OperationalError: no such table: tenants', 'NOT_INITIALISED'],
  ['Could not connect to tenant default_tenant. Are you sure it exists?', 'WRONG_TARGET'],
  ['database is locked', 'LOCKED'],
  ['locking protocol', 'NETFS'],
  ['attempt to write a readonly database', 'READONLY'],
  ['(code: 1032) attempt to write a readonly database', 'READONLY'],
  ['(code: 13) database or disk is full', 'DISK_FULL'],
  ['write ENOSPC: No space left on device', 'DISK_FULL'],
  ['file is not a database', 'NOT_SQLITE'],
  [
    'rust/sqlite/src/db.rs:157:42: range start index 10 out of range for slice of length 9',
    'VERSION_MISMATCH',
  ],
  ['Inconsistent hash: db=abc, source=def', 'VERSION_MISMATCH'],
  ['no such column: collections.schema_str', 'VERSION_MISMATCH'],
  [
    'mismatched types; Rust type `u64` (as SQL type `INTEGER`) is not compatible with SQL type `BLOB`',
    'BLOB_SEQ_ID',
  ],
  ["KeyError: '_type'", 'CLIENT_SERVER_SKEW'],
  ['{"error":"Unimplemented","message":"The v1 API is deprecated. Please use /v2 apis"}', 'V1_API'],
  ['error returned from database: (code: 1) too many SQL variables', 'PAGE_TOO_BIG'],
  ['Batch size of 6000 is greater than max batch size of 5461', 'BATCH_TOO_BIG'],
  ['Cannot submit more than 5,461 embeddings at once', 'BATCH_TOO_BIG'],
  ['Collection expecting embedding with dimension of 2560, got 2048', 'DIM_MISMATCH'],
  ['Embedding dimension 384 does not match collection dimensionality 768', 'DIM_MISMATCH'],
  [
    'An embedding function already exists in the collection configuration, and a new one is provided. Embedding function conflict: new: openai vs persisted: default',
    'EMBEDDER_CONFLICT',
  ],
  [
    'ValueError: Changing the distance function of a collection once it is created is not supported currently.',
    'SPACE_FIXED',
  ],
  [
    'Error executing plan: Not implemented: Search operation is not implemented for local executor',
    'CLOUD_ONLY',
  ],
  ['Expected metadata to be a non-empty dict, got 0 metadata attributes', 'BAD_RECORD'],
  ['Expected IDs to be unique, found duplicates of: a', 'BAD_RECORD'],
  ["/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found", 'GLIBC_TOO_OLD'],
  ['process exited with code 139', 'SERVER_CRASHED'],
  ['connect ECONNREFUSED 127.0.0.1:8000', 'CONNECTION_REFUSED'],
  ['getaddrinfo ENOTFOUND chroma', 'DNS'],
  ['read ECONNRESET', 'CONNECTION_RESET'],
  ['self-signed certificate in certificate chain', 'TLS_UNTRUSTED'],
  ['unable to verify the first certificate', 'TLS_UNTRUSTED'],
  ['write EPROTO 140:error:0A00010B:SSL routines:ssl3_get_record:wrong version number', 'TLS_NOT_SPOKEN'],
  ['<center>No required SSL certificate was sent</center>', 'TLS_CLIENT_CERTIFICATE'],
]

describe('explain', () => {
  test.each(texts)('%s', (text, finding) => {
    const [first] = explainError(text)
    expect(first?.finding).toBe(finding)
  })

  test.each(advice)('%s', (text, finding) => {
    const [first] = explainError(text)
    expect(first?.finding).toBe(finding)
    expect(first?.advice).toMatch(/chroma-ops/)
  })

  test('our own warnings, and talk about files, are not taken for advice', () => {
    const ownTexts = catalogue
      .filter(({ finding }) => !finding.startsWith('ADVICE'))
      .flatMap(({ advice: text, warning }) => [text, warning ?? ''])
    const harmless = [
      'Never delete or move the segment folder',
      'do not delete the hnsw directory',
      'opened chroma.sqlite3-journal',
      'INSERT INTO embeddings_queue',
      'delete from the collection',
      'delete the collection and create it again',
      'failed to delete directory /tmp/foo',
      'remove the folder from your PATH and rebuild the project',
      'do not delete the folder and let chroma rebuild the index',
      'I deleted the collection, but its folder is still there',
      'rebuild the index with chroma-ops rebuild index',
      'delete the backup folder',
      'move the data directory to /data',
      'Error: cannot remove directory: Directory not empty',
    ]
    const found = [...ownTexts, ...harmless].flatMap((text) => explainError(text)).map((each) => each.finding)
    expect(found.filter((finding) => finding.startsWith('ADVICE'))).toEqual([])
  })

  test('every entry is reached by one of these texts, or by a status', () => {
    const reached = new Set(
      [...advice, ...texts].flatMap(([text]) => explainError(text)).map(({ finding }) => finding),
    )
    const byStatusOnly = ['QUOTA_EXCEEDED', 'RATE_LIMITED', 'NAME_TAKEN', 'UNREACHABLE', 'TLS_WRONG_NAME']
    const unreached = catalogue.map(({ finding }) => finding).filter((finding) => !reached.has(finding))
    expect(unreached.filter((finding) => !byStatusOnly.includes(finding))).toEqual([
      'TLS_EXPIRED',
      'PROXY_REFUSED',
    ])
  })

  test('codes are unique, and every entry says what and what to do', () => {
    expect(new Set(catalogue.map(({ finding }) => finding)).size).toBe(catalogue.length)
    for (const { finding, what, advice } of catalogue) {
      expect([finding, what.length > 20, advice.length > 20]).toEqual([finding, true, true])
      expect(findByCode(finding)?.finding).toBe(finding)
    }
  })

  test('a whole log gives all that is wrong, the most specific first', () => {
    const log = [
      '2026-11-20 ERROR Error executing plan: Internal error: Error finding id',
      '2026-11-20 ERROR (code: 13) database or disk is full',
      '2026-11-20 INFO listening on 0.0.0.0:8000',
    ].join('\n')
    expect(explainError(log).map(({ finding }) => finding)).toEqual([
      'VECTOR_MISSING',
      'DISK_FULL',
      'HANDLER_FAILED',
    ])
  })

  test('it warns of what would make it worse', () => {
    expect(explainError('Error loading hnsw index')[0]?.warning).toContain('Never delete')
    expect(explainError('database is locked')[0]?.warning).toBeNull()
  })

  test('it says what it recognised', () => {
    expect(explainError('x: Database is LOCKED!')[0]?.matched).toBe('Database is LOCKED')
  })

  test('nothing known is nothing', () => {
    expect(explainError('all is well')).toEqual([])
    expect(explainError('')).toEqual([])
  })
})
