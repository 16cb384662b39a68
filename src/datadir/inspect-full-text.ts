import { countInSteps, tablesOf } from './inspect-steps.js'
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

const INDEX = 'embedding_fulltext_search'
const TABLES = ['', '_data', '_idx', '_content', '_docsize', '_config'].map((suffix) => INDEX + suffix)
/** With a plus, so that SQLite goes by the key that is stepped through and not by its index of all texts. */
const DOCUMENT = "+t.key = 'chroma:document' AND +t.string_value IS NOT NULL"

/** Null for data of a Chroma that had no such index, or no documents. */
export async function inspectFullText(
  database: Database,
  signal?: AbortSignal,
): Promise<FullTextFacts | null> {
  const tables = tablesOf(database)
  if (!tables.has('embedding_metadata')) return null
  const missingTables = TABLES.filter((table) => !tables.has(table))
  // Its name before migration metadb/00003.
  if (tables.has('embedding_fulltext') && missingTables.length === TABLES.length) return null
  const nothing = { missingTables, missing: 0, different: 0, surplus: 0, withNul: 0 }
  if (missingTables.length > 0) return nothing
  const documents = { table: 'embedding_metadata', key: 'id' }
  const count = (job: { readonly table: string; readonly key: string; readonly where: string }) =>
    countInSteps(database, job, signal)
  const content = `SELECT 1 FROM ${INDEX}_content AS c WHERE c.id = t.id`
  const ofRecord = 'EXISTS (SELECT 1 FROM embeddings AS e WHERE e.id = t.id)'
  return {
    ...nothing,
    missing: await count({
      ...documents,
      where: `${DOCUMENT} AND ${ofRecord} AND NOT EXISTS (${content})`,
    }),
    different: await count({
      ...documents,
      where: `${DOCUMENT} AND ${ofRecord} AND EXISTS (${content} AND c.c0 IS NOT t.string_value)`,
    }),
    surplus: await count({
      table: `${INDEX}_content`,
      key: 'id',
      where: `${ofRecord} AND NOT EXISTS (SELECT 1 FROM embedding_metadata AS m WHERE m.id = t.id AND m.key = 'chroma:document')`,
    }),
    // `instr` stops at a NUL in a text, so the bytes are searched.
    withNul: await count({
      ...documents,
      where: `${DOCUMENT} AND instr(CAST(t.string_value AS BLOB), x'00') > 0`,
    }),
  }
}
