import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { ROWS_FILE } from './run-record.js'
import { DATABASE_FILE } from './survey.js'

/** What SQLite calls the file that ties the commits of several databases together. */
const SUPER_JOURNAL = /^chroma\.sqlite3-mj[0-9A-F]{9}$/

/**
 * Removes what a run that was killed in the middle of a commit of two files leaves, and SQLite does not remove:
 * https://sqlite.org/atomiccommit.html#section_5_5. None is touched while a journal is there that may still refer
 * to one. The caller holds the directory's lock and has no database open.
 */
export async function removeStaleSuperJournals(directory: string, quarantine: string): Promise<void> {
  const names = await readdir(directory)
  const stale = names.filter((name) => SUPER_JOURNAL.test(name))
  if (stale.length === 0 || names.includes(`${DATABASE_FILE}-journal`)) return
  for (const run of await readdir(quarantine, { withFileTypes: true }))
    if (
      run.isDirectory() &&
      (await readdir(path.join(quarantine, run.name))).includes(`${ROWS_FILE}-journal`)
    )
      return
  for (const name of stale) await rm(path.join(directory, name), { force: true })
}
