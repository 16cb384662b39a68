// Keeps a transaction open until it is killed, with pages of it already in the database file:
//   node --import ./test/helpers/run-typescript.js hold-transaction.ts <database> [spilled | locked | none]
// `spilled`: rows are changed and written before the commit, as SQLite does when its cache is full; a kill leaves a
// hot journal. `locked`: nothing is changed, but nobody else may write. `none`: there is no
// transaction, but the database is open. Says "ready" on stdout.
import { openDatabase } from '../../src/datadir/sqlite.js'

const [file = '', what = 'spilled'] = process.argv.slice(2)
const database = await openDatabase(file, { mode: 'write' })
database.exec('PRAGMA cache_size = 4')
if (what !== 'none') database.exec('BEGIN IMMEDIATE')
if (what === 'spilled')
  database.exec(
    "UPDATE embedding_metadata SET string_value = 'never committed' WHERE string_value IS NOT NULL",
  )
process.stdout.write('ready\n')
setInterval(() => {}, 1000)
