import type { CatalogueEntry } from './catalogue-entry.js'

/** What follows is said, not warned of. */
const SAID = String.raw`(?<!\b(?:never|not|don't|cannot|failed to)\b[^.\n]{0,30})`
const DESTROY = String.raw`\b(?:delet|remov|renam|mov|wip|clear|drop|nuk)\w*`
const FOLDER = String.raw`\b(?:sub-?)?(?:director(?:y|ies)|folders?)\b`
/** Chroma, or the index, makes it anew. */
const REBUILT = String.raw`(?:\b(?:chroma(?:db)?|server|it|they|(?:index|vector)(?:es|s)?)\s+(?:(?:will|can|gets?|is|are|be|just|simply|automatically)\s+){0,4}(?:re-?(?:build|built|creat|generat|index|mak)\w*|(?:build|creat|mak)\w*\s+(?:a\s+)?new)|\bre-?(?:build|creat|generat)\w*\s+(?:the\s+|its\s+)?(?:index|hnsw|vectors))`

const DELETE_SEGMENT = String.raw`(?<!\b(?:never|not|don't)\b[^.\n]{0,30})(?:delet\w*|remov\w*|mov\w*|renam\w*|wip\w*)\s[^.\n]{0,60}?\b(?:uuid|guid|hnsw|segment|index)[\w -]{0,20}(?:director(?:y|ies)|folders?)|(?:\brm\s+-\w*[rf]\w*|\bmv)\s+\S*[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<!\b(?:never|not|don't)\b[^.\n]{0,30})(?:delet\w*|remov\w*)\s[^.\n]{0,40}?(?:index_metadata\.pickle|data_level0\.bin|header\.bin|link_lists\.bin)|\brm\s[^\n]{0,80}(?:index_metadata\.pickle|data_level0\.bin|header\.bin|link_lists\.bin)`

/** The same advice in words that do not say which folder is meant, but what Chroma would do. */
const FOLDER_ADVICE = [
  String.raw`${SAID}${DESTROY}\s[^.\n]{0,60}?${FOLDER}[^.\n]{0,60}?${REBUILT}`,
  String.raw`${REBUILT}[^.\n]{0,30}\b(?:if|when|after|once)\b[^.\n]{0,20}${DESTROY}\s[^.\n]{0,30}?${FOLDER}`,
  String.raw`\brm\s+-\w*[rf]\w*\s[^.\n]{0,40}?\b(?:uuid|guid|hnsw|segment|index)[\w -]{0,20}${FOLDER}`,
  String.raw`${SAID}${DESTROY}\s[^.\n]{0,30}?\.?\bbin\s+files`,
  String.raw`${SAID}${DESTROY}\s[^.\n]{0,20}?\b(?:everything|all|anything)\b[^.\n]{0,20}\b(?:except|but|besides|other than|apart from)\b[^.\n]{0,20}(?:chroma\.)?sqlite`,
  String.raw`\bkeep\b[^.\n]{0,20}(?:chroma\.)?sqlite3?[^\n]{0,20}\b(?:delet|remov|wip)\w*\s[^.\n]{0,20}\b(?:rest|others?|everything)\b`,
]

/**
 * Advice that is passed around in threads and answers, and that destroys data. Recognised so that somebody who
 * asks about it first is told what it does.
 */
export const adviceFindings = [
  {
    finding: 'ADVICE_DELETE_SEGMENT',
    pattern: new RegExp([DELETE_SEGMENT, ...FOLDER_ADVICE].join('|'), 'i'),
    what: 'This says to delete the folder of a vector index, or a file in it, so that Chroma rebuilds it. Chroma cannot: the log that it would need has been purged. The server starts an empty index without any error, and every vector saved in the folder is lost; counts and documents look healthy meanwhile.',
    advice:
      'stop Chroma, copy the whole data directory, then run "chroma-ops rescue" on it, or "chroma-ops rebuild index" when its vectors are whole',
    warning:
      'The folder may go only if no row of the table segments has its name: "chroma-ops cleanup orphans" finds those, and keeps them in quarantine.',
  },
  {
    finding: 'ADVICE_DELETE_JOURNAL',
    pattern:
      /(?<!\b(?:never|not|don't)\b[^.\n]{0,30})(?:delet\w*|remov\w*|\brm\b|unlink\w*|mov\w*)\s[^.\n]{0,60}?(?:chroma\.sqlite3-journal|sqlite3?-journal|journal file)/i,
    what: 'This says to delete the journal of the database. After a crash it holds the pages as they were before the transaction that was cut off; without it the database stays half written, which is how "database disk image is malformed" comes about.',
    advice:
      'leave it where it is: whoever opens the database next rolls back by itself, and "chroma-ops health --path" says whether it is whole',
    warning: 'A copy of chroma.sqlite3 is a copy only together with its journal.',
  },
  {
    finding: 'ADVICE_EMPTY_LOG',
    pattern:
      /delete\s+from\s+["'`]?embeddings_queue|drop\s+table\s+(?:if\s+exists\s+)?["'`]?embeddings_queue|truncate\s+(?:table\s+)?["'`]?embeddings_queue|(?<!\b(?:never|not|don't)\b[^.\n]{0,30})(?:empty|clear|purge|truncate|delete|wipe)\w*\s[^.\n]{0,40}?(?:embeddings_queue|\bWAL\b|write-ahead log)/i,
    what: 'This says to empty the write-ahead log (table embeddings_queue). Vectors that are not yet saved in an index are only there. And the log gives each write its number: once it is empty, numbers start at 1 again, and the server skips and drops the next writes although it has answered 201.',
    advice:
      'let "chroma-ops cleanup wal" remove what every index has already saved; it keeps the newest row, and what is needed',
    warning:
      'If it has been done already, write nothing: restore a backup, or have the numbers checked with "chroma-ops health --path" first.',
  },
  {
    finding: 'ADVICE_DELETE_DATABASE',
    pattern:
      /(?<!\b(?:never|not|don't)\b[^.\n]{0,30})(?:delet\w*|remov\w*)\s(?![^.\n]{0,40}\b(?:except|but|besides|other than|apart from)\b)[^.\n]{0,40}?chroma\.sqlite3(?!-journal)|\brm\s[^\n]{0,80}chroma\.sqlite3(?!-journal)/i,
    what: 'This says to delete chroma.sqlite3. It holds every document, every id, all metadata and the log; the folders beside it hold vectors whose records nobody knows any more.',
    advice:
      'stop Chroma, copy the whole data directory, then run "chroma-ops rescue" on it or restore a backup',
  },
] as const satisfies readonly CatalogueEntry[]
