import type { Database } from '../datadir/sqlite.js'
import { restoreFullText } from './fix-full-text.js'
import { restoreQueueConfig } from './queue-config.js'
import { inTransaction, keptTable } from './remove-rows.js'
import { LIVE_RECORD, ROW_RULES, type RowRule } from './row-rules.js'
import { columnsOf, quoted } from './sweep.js'

export interface RestoredRows {
  readonly rows: number
  /** What collides with newer rows, and stays in the attached file. */
  readonly left: readonly { readonly table: string; readonly count: number }[]
}

/** Moves the rows of the attached file `kept` back, in one transaction of both files. */
export function restoreRows(database: Database): RestoredRows {
  const kept = new Set(
    database
      .all('SELECT name FROM kept.sqlite_master')
      .map(({ name }) => (typeof name === 'string' ? name : '')),
  )
  // What hangs on records comes first: a record's number that is in use by then is that of a newer one.
  const rules = ROW_RULES.filter(({ table }) => kept.has(`rows_${table}`))
  return inTransaction(database, () => {
    const left: { table: string; count: number }[] = []
    let rows = restoreQueueConfig(database) + restoreFullText(database)
    for (const rule of rules) {
      rows += restoreTable(database, rule)
      const count = Number(database.get(`SELECT count(*) AS n FROM ${keptTable(rule.table)}`)?.['n'])
      if (count > 0) left.push({ table: rule.table, count })
    }
    return { rows, left }
  })
}

const DOCUMENTS = 'embedding_fulltext_search'

function restoreTable(database: Database, { table }: RowRule): number {
  const kept = keptTable(table)
  database.exec('CREATE TEMP TABLE IF NOT EXISTS coming_back (kept_rowid INTEGER PRIMARY KEY)')
  database.exec('DELETE FROM temp.coming_back')
  database.exec(
    `INSERT INTO temp.coming_back SELECT k.kept_rowid FROM ${kept} AS k WHERE NOT EXISTS (${collisionIn(table)})`,
  )
  const columns = columnsOf(database, table).map(quoted)
  const withNumber = keepsNumber(database, table)
  const into = withNumber ? ['rowid', ...columns] : columns
  const values = withNumber ? ['kept_rowid', ...columns] : columns
  const { changes } = database.run(
    `INSERT INTO main.${quoted(table)} (${into.join(', ')}) SELECT ${values.join(', ')} FROM ${kept}
     WHERE kept_rowid IN (SELECT kept_rowid FROM temp.coming_back) ORDER BY kept_rowid`,
  )
  database.exec(`DELETE FROM ${kept} WHERE kept_rowid IN (SELECT kept_rowid FROM temp.coming_back)`)
  return changes
}

/** Whether rows get the number back that they had, beside their columns; else they only keep their order. */
function keepsNumber(database: Database, table: string): boolean {
  if (table === DOCUMENTS) return true
  // The number is one of the columns.
  if (table === 'embeddings' || table === 'embeddings_queue') return false
  const taken = database.get(
    `SELECT 1 AS found FROM main.${quoted(table)} WHERE rowid IN (SELECT kept_rowid FROM temp.coming_back) LIMIT 1`,
  )
  return taken === undefined
}

/** A query that finds what is in the way of a kept row `k`. */
function collisionIn(table: string): string {
  // A record of no collection is none that somebody could have made since: a cleanup may have been killed
  // before it got to it.
  const record = (id: string) => `SELECT 1 WHERE ${LIVE_RECORD(id)}`
  const sameIn = (...keys: readonly string[]) =>
    `SELECT 1 FROM main.${quoted(table)} AS m WHERE ${keys.map((key) => `m.${key} = k.${key}`).join(' AND ')}`
  switch (table) {
    case 'embedding_metadata_array':
      return record('k.id')
    case 'embedding_metadata':
      return `${record('k.id')} UNION ALL ${sameIn('id', 'key')}`
    case DOCUMENTS:
      return `${record('k.kept_rowid')} UNION ALL SELECT 1 FROM main.${DOCUMENTS}_content AS c WHERE c.id = k.kept_rowid`
    case 'embeddings':
      return `${sameIn('id')} UNION ALL ${sameIn('segment_id', 'embedding_id')}`
    case 'embeddings_queue':
      return sameIn('seq_id')
    case 'max_seq_id':
      return sameIn('segment_id')
    case 'segment_metadata':
      return sameIn('segment_id', 'key')
    case 'collection_metadata':
      return sameIn('collection_id', 'key')
    default:
      return sameIn('id')
  }
}
