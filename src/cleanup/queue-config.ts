import type { Database } from '../datadir/sqlite.js'
import { readQueueConfig, withPurging } from './log-bounds.js'
import { inTransaction } from './remove-rows.js'

const KEPT = 'kept.queue_config'

/** Switches purging of the write-ahead log on; a server goes by it from its next start. 0: it was on. */
export function switchPurgingOn(database: Database, keep: boolean): number {
  if (keep) database.exec(`CREATE TABLE IF NOT EXISTS ${KEPT} (id INTEGER PRIMARY KEY, before, after)`)
  return inTransaction(database, () => {
    const config = readQueueConfig(database)
    const changed = config === null ? null : withPurging(config.text)
    if (config === null || changed === null) return 0
    if (keep) database.run(`INSERT INTO ${KEPT} VALUES (?, ?, ?)`, config.id, config.text, changed)
    return setConfig(database, config.id, changed)
  })
}

/** Within a transaction. 0: nothing was kept, or the configuration was changed by somebody else since. */
export function restoreQueueConfig(database: Database): number {
  const tables = database.all("SELECT name FROM kept.sqlite_master WHERE name = 'queue_config'")
  if (tables.length === 0) return 0
  const { changes } = database.run(
    `UPDATE main.embeddings_queue_config AS t
     SET config_json_str = (SELECT before FROM ${KEPT} AS k WHERE k.id = t.id)
     WHERE EXISTS (SELECT 1 FROM ${KEPT} AS k WHERE k.id = t.id AND k.after = t.config_json_str)`,
  )
  database.exec(`DELETE FROM ${KEPT}`)
  return changes
}

function setConfig(database: Database, id: bigint, text: string): number {
  return database.run('UPDATE main.embeddings_queue_config SET config_json_str = ? WHERE id = ?', text, id)
    .changes
}
