import { closeSync, openSync, readSync } from 'node:fs'

/** How a database begins while a vacuum writes over it; a note that names the whole copy follows. */
export const OVERWRITING = 'chroma-ops is overwriting this database\n'

/** Whether a vacuum was killed in the middle of it. Only for a file that SQLite has refused: no lock is lost then. */
export function isOverwritten(file: string): boolean {
  const start = Buffer.alloc(OVERWRITING.length)
  const handle = openSync(file, 'r')
  try {
    readSync(handle, start, 0, start.length, 0)
  } finally {
    closeSync(handle)
  }
  return start.toString('latin1') === OVERWRITING
}
