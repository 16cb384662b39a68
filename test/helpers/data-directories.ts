import { hash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { addDocuments } from './documents.js'
import { startChroma } from './chroma-server.js'

export { addDocuments } from './documents.js'

/**
 * A data directory written by a real server, of which nobody can tell that it was made here: with one collection
 * `docs`, whose index is saved or only in the log.
 */
export async function makeDirectory(
  directory: string,
  { records, saved }: { readonly records: number; readonly saved: boolean },
): Promise<void> {
  const chroma = await startChroma({ directory })
  try {
    await addDocuments(chroma.url, { first: 0, records, threshold: saved ? Math.max(2, records) : 100_000 })
  } finally {
    await chroma.halt()
  }
  await rm(path.join(directory, '.chroma-ops'), { recursive: true, force: true })
}

/** SHA-256 of every file by its path, without what chroma-ops keeps in the directory. */
export async function treeOf(directory: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const name = path.relative(directory, file)
    if (!entry.isFile() || name.startsWith('.chroma-ops')) continue
    tree[name] = hash('sha256', await readFile(file))
  }
  return Object.fromEntries(Object.entries(tree).sort(([a], [b]) => (a < b ? -1 : 1)))
}
