import { rmSync } from 'node:fs'
import { mkdtemp, stat } from 'node:fs/promises'
import path from 'node:path'

import { DatabaseCopier } from './database-copier.js'
import { DatabaseBusyError } from './errors.js'
import { openDatabase, type Database } from './sqlite.js'

export interface RecoveredCopy {
  readonly database: Database
  remove(): void
}

const ATTEMPTS = 3

/**
 * A copy of a database and of its journal in a new folder below `tempDir`, with the unfinished transaction
 * rolled back there. Rejects with {@link DatabaseBusyError} when somebody else recovers the original meanwhile.
 */
export async function recoverOnCopy(file: string, tempDir: string): Promise<RecoveredCopy> {
  const folder = await mkdtemp(path.join(tempDir, 'chroma-ops-recovered-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const copy = path.join(folder, `copy-${attempt}.sqlite3`)
      const before = await stateOf(file)
      await copyOnce(`${file}-journal`, `${copy}-journal`)
      await copyOnce(file, copy)
      if ((await stateOf(file)) !== before) continue
      await rollBack(copy)
      return { database: await openDatabase(copy, { mode: 'read' }), remove }
    }
    throw new DatabaseBusyError(file)
  } catch (error) {
    remove()
    throw error
  }
}

/** Opening for writing and reading once is what rolls back. */
async function rollBack(copy: string): Promise<void> {
  const database = await openDatabase(copy, { mode: 'write' })
  database.close()
}

/** In another process: this one may hold locks on the original, and would lose them. */
async function copyOnce(source: string, target: string): Promise<void> {
  const copier = await DatabaseCopier.start(source, target)
  try {
    await copier.finish()
  } finally {
    await copier.stop()
  }
}

async function stateOf(file: string): Promise<string> {
  const states = await Promise.all(
    [file, `${file}-journal`].map(async (name) => {
      const { ino, size, mtimeNs, ctimeNs } = await stat(name, { bigint: true })
      return [ino, size, mtimeNs, ctimeNs].join(':')
    }),
  )
  return states.join(' ')
}
