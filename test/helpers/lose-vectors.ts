import { readdir, readFile, rm, truncate } from 'node:fs/promises'
import path from 'node:path'

import type { TestChroma } from './chroma-server.js'

/**
 * Chroma saves its vector index, and forgets them elsewhere, after this many changes; only vectors that were
 * saved can be lost.
 */
export const SYNC_THRESHOLD = 1_000

/**
 * - `removed`: the folder of the index is gone. The server starts a new, empty index without a word.
 * - `truncated`: the file with the vectors is empty, as after a crash on a file system that lost a write.
 */
export type Loss = 'removed' | 'truncated'

/**
 * Makes a collection lose its vectors while its count, its documents and its metadata stay as they are: what
 * happens when somebody "repairs" an index by deleting its folder. Stops the server and starts it again.
 * The collection needs more than {@link SYNC_THRESHOLD} records, written before; those written after the last
 * save stay whole.
 */
export async function loseVectors(
  chroma: TestChroma,
  collection: { readonly id: string },
  loss: Loss = 'removed',
): Promise<void> {
  await chroma.halt()
  const folder = await indexFolder(chroma.directory, collection.id)
  if (!(await readdir(folder)).includes('index_metadata.pickle'))
    throw new Error(`the index of ${collection.id} has never been saved: write more records first`)
  if (loss === 'removed') await rm(folder, { recursive: true })
  else await truncate(path.join(folder, 'data_level0.bin'), 0)
  await chroma.restart()
}

/** The folder is named by a segment that only the database knows: a row holds its id, type, scope, collection. */
export async function indexFolder(directory: string, collectionId: string): Promise<string> {
  const database = await readFile(path.join(directory, 'chroma.sqlite3'), 'latin1')
  const row = new RegExp(`([0-9a-f-]{36})urn:chroma:segment/vector/hnsw-local-persistedVECTOR${collectionId}`)
  const segment = row.exec(database)?.[1]
  if (segment === undefined) throw new Error(`no vector segment of collection ${collectionId}`)
  return path.join(directory, segment)
}
