import { countsInSteps, tablesOf } from './inspect-steps.js'
import type { Database } from './sqlite.js'

/** The full-text index against the documents. Its inverted index is checked by `checkIntegrity`. */
export interface FullTextFacts {
  /** Of the index and its shadow tables, what is not there. */
  readonly missingTables: readonly string[]
  /** Documents that the index does not hold. */
  readonly missing: number
  /** Documents that it holds in another wording. */
  readonly different: number
  /** Records without a document that it holds one of. */
  readonly surplus: number
  /** Documents with the character NUL. */
  readonly withNul: number
}

/** What one pass over the values of all records and one over the full-text index tell. */
export interface ValueFacts {
  /** Rows of `embedding_metadata` whose record is gone. */
  readonly orphanValues: number
  /** Texts in the full-text index whose record is gone. */
  readonly orphanTexts: number
  /** Null for data of a Chroma that had no such index, or no documents. */
  readonly fullText: FullTextFacts | null
}

const INDEX = 'embedding_fulltext_search'
const TABLES = ['', '_data', '_idx', '_content', '_docsize', '_config'].map((suffix) => INDEX + suffix)

export async function inspectValues(database: Database, signal?: AbortSignal): Promise<ValueFacts> {
  const tables = tablesOf(database)
  if (!tables.has('embedding_metadata')) return { orphanValues: 0, orphanTexts: 0, fullText: null }
  const missingTables = TABLES.filter((table) => !tables.has(table))
  // Its name before migration metadb/00003.
  const isOld = tables.has('embedding_fulltext') && missingTables.length === TABLES.length
  const hasTexts = tables.has(`${INDEX}_content`)
  const [orphanValues = 0, missing = 0, different = 0, withNul = 0] = await countsInSteps(
    database,
    valuesJob(hasTexts),
    signal,
  )
  const [orphanTexts = 0, surplus = 0] = hasTexts ? await countsInSteps(database, TEXTS, signal) : []
  const counts =
    missingTables.length > 0
      ? { missing: 0, different: 0, surplus: 0, withNul: 0 }
      : { missing, different, surplus, withNul }
  return { orphanValues, orphanTexts, fullText: isOld ? null : { missingTables, ...counts } }
}

const RECORD = 'LEFT JOIN embeddings AS e ON e.id = t.id'
const DOCUMENT = "t.key = 'chroma:document' AND t.string_value IS NOT NULL"

/** Rows in the order in which they lie in the file, since their texts have to be read. */
function valuesJob(hasTexts: boolean): Parameters<typeof countsInSteps>[1] {
  const texts = `LEFT JOIN ${INDEX}_content AS c ON c.id = CASE WHEN t.key = 'chroma:document' THEN t.id END`
  const ofRecord = `${DOCUMENT} AND e.id IS NOT NULL`
  return {
    table: 'embedding_metadata',
    key: 'rowid',
    columns: ['id', 'key', 'string_value'],
    joins: hasTexts ? `${RECORD} ${texts}` : RECORD,
    conditions: [
      'e.id IS NULL',
      ...(hasTexts
        ? [`${ofRecord} AND c.id IS NULL`, `${ofRecord} AND c.id IS NOT NULL AND c.c0 IS NOT t.string_value`]
        : ['false', 'false']),
      // `instr` stops at a NUL in a text, so the bytes are searched.
      `${DOCUMENT} AND instr(CAST(t.string_value AS BLOB), x'00') > 0`,
    ],
  }
}

const TEXTS = {
  table: `${INDEX}_content`,
  key: 'id',
  columns: [],
  joins: `${RECORD} LEFT JOIN embedding_metadata AS m ON m.id = t.id AND m.key = 'chroma:document'`,
  conditions: ['e.id IS NULL', 'e.id IS NOT NULL AND m.id IS NULL'],
}
