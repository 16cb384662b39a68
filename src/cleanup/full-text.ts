import type { Database } from '../datadir/sqlite.js'
import { windowsOf } from './sweep.js'
import type { RowRule } from './row-rules.js'

const INDEX = 'embedding_fulltext_search'
const CONTENT = `${INDEX}_content`

/** How the full-text index differs from the documents. Rows that belong to no record are among the orphans. */
export interface FullTextDifferences {
  /** Documents that it does not hold. */
  readonly missing: number
  /** Documents that it holds in other words. */
  readonly different: number
  /** Records without a document that it holds one of. */
  readonly surplus: number
  /** Bytes of these texts. */
  readonly bytes: number
  /** What SQLite says of its inner structure; null when that is sound, or cannot be checked without writing. */
  readonly damage: string | null
}

/** A way in which an entry of the index is wrong, as a rule about the rows of a table. */
export interface FullTextDifference extends RowRule {
  readonly difference: 'missing' | 'different' | 'surplus'
}

/** In the order in which they are mended: what is wrong goes out before what is right comes in. */
export const FULL_TEXT_RULES: readonly FullTextDifference[] = [
  {
    ...named('surplus'),
    table: CONTENT,
    key: 'id',
    where: `EXISTS (SELECT 1 FROM main.embeddings e WHERE e.id = t.id) AND NOT EXISTS (${documentOf('t.id')})`,
  },
  {
    ...named('different'),
    table: CONTENT,
    key: 'id',
    where: `EXISTS (${documentOf('t.id')} AND m.string_value IS NOT t.c0)`,
  },
  {
    ...named('missing'),
    table: 'embeddings',
    key: 'id',
    where: `EXISTS (${documentOf('t.id')}) AND NOT EXISTS (SELECT 1 FROM main.${CONTENT} x WHERE x.id = t.id)`,
  },
]

/** Null where there is no such index. */
export async function inspectFullText(
  database: Database,
  signal?: AbortSignal,
): Promise<FullTextDifferences | null> {
  const tables = database.all(`SELECT name FROM main.sqlite_master WHERE name IN (?, ?)`, INDEX, CONTENT)
  if (tables.length < 2) return null
  const counts = { missing: 0, different: 0, surplus: 0 }
  let bytes = 0
  for (const rule of FULL_TEXT_RULES)
    for await (const window of windowsOf(database, rule, signal)) {
      counts[rule.difference] += window.count
      bytes += window.bytes
    }
  return { ...counts, bytes, damage: structureDamage(database) }
}

/** SQLite 3.44 and newer look into the index; some of them only on a connection that can write. */
function structureDamage(database: Database): string | null {
  const lines = database
    .all(`PRAGMA main.integrity_check(${INDEX})`)
    .map((row) => String(Object.values(row)[0]))
  return lines.find((line) => line.includes('malformed')) ?? null
}

function named<const T extends string>(difference: T) {
  const what = `full-text entries that are ${difference}`
  return { difference, name: 't.id', what, why: 'searches in documents go by this index' }
}

function documentOf(id: string): string {
  return `SELECT 1 FROM main.embedding_metadata m WHERE m.id = ${id} AND m.key = 'chroma:document' AND m.string_value IS NOT NULL`
}
