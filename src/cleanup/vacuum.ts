import { lstat } from 'node:fs/promises'
import path from 'node:path'

import { openDatabase, vacuumOnDisk } from '../datadir/sqlite.js'
import { requireSpace } from './space.js'
import { DATABASE_FILE } from './survey.js'
import { vacuumVia } from './vacuum-via.js'

export interface VacuumJob {
  readonly directory: string
  readonly run: string
  /** Where SQLite keeps its temporary files. */
  readonly sqliteTempDir: string
  /** Write the new database into this folder first; null: let SQLite do it in place. */
  readonly via: string | null
  /** Rejects when somebody works on the directory, or the lock on it was lost. */
  readonly requireAlone: () => Promise<void>
}

/** Rewrites the database without empty pages. Resolves to the bytes that the file has shrunk by. */
export async function vacuum(job: VacuumJob): Promise<number> {
  const file = path.join(job.directory, DATABASE_FILE)
  const before = (await lstat(file)).size
  if (job.via === null) await vacuumInPlace(job, file)
  else await vacuumVia({ ...job, via: job.via })
  return before - (await lstat(file)).size
}

/** SQLite writes a compact copy into a temporary file, then over the original, under a journal. */
async function vacuumInPlace({ directory, sqliteTempDir }: VacuumJob, file: string): Promise<void> {
  const database = await openDatabase(file, { mode: 'write' })
  try {
    const { pages, empty, pageSize } = sizesOf(database.get(SIZES) ?? {})
    await requireSpace(directory, pages * pageSize, 'its journal')
    await requireSpace(sqliteTempDir, (pages - empty) * pageSize, 'the copy that SQLite makes')
    vacuumOnDisk(database)
  } finally {
    database.close()
  }
}

const SIZES = `SELECT (SELECT page_count FROM pragma_page_count) AS pages,
  (SELECT freelist_count FROM pragma_freelist_count) AS empty, (SELECT page_size FROM pragma_page_size) AS size`

function sizesOf(row: Readonly<Record<string, unknown>>) {
  return { pages: Number(row['pages']), empty: Number(row['empty']), pageSize: Number(row['size']) }
}
