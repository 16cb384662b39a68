import { cp } from 'node:fs/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { startChroma } from '../helpers/chroma-server.js'
import { countOf, stateOf, withDatabase } from '../helpers/directory-state.js'
import { makeLitteredDirectory, post, type LitteredDirectory } from '../helpers/littered-directory.js'
import { cleanupJob, undoJob } from './jobs.js'

let littered: LitteredDirectory
beforeAll(async () => {
  littered = await makeLitteredDirectory()
})
afterAll(() => littered.dispose())

const FTS = { targets: ['fts'] } as const
const DOCUMENT = "SELECT id FROM embedding_metadata WHERE key = 'chroma:document'"

/** One document is not in the index, one in other words, and a record without a document has one. */
async function spoil(directory: string): Promise<void> {
  await withDatabase(directory, (database) => {
    database.exec(`
      DELETE FROM embedding_fulltext_search WHERE rowid = (${DOCUMENT} ORDER BY id LIMIT 1);
      UPDATE embedding_fulltext_search SET string_value = 'other words' || char(0) || 'and more'
        WHERE rowid = (${DOCUMENT} ORDER BY id LIMIT 1 OFFSET 1);
      DELETE FROM embedding_metadata WHERE key = 'chroma:document'
        AND id = (${DOCUMENT} ORDER BY id LIMIT 1 OFFSET 2);`)
  })
}

test('an index that agrees with the documents, also those with NUL bytes, is left alone', async () => {
  const directory = await littered.copy()
  expect(
    await countOf(
      directory,
      `SELECT count(*) FROM (${DOCUMENT} AND instr(CAST(string_value AS BLOB), x'00') > 0)`,
    ),
  ).toBeGreaterThan(50)
  expect((await planOf(cleanupJob(directory, FTS))).steps).toEqual([])
})

test('an index that differs is mended, a server finds the documents again, and undoing it gives the same rows', async () => {
  const directory = await littered.copy()
  await spoil(directory)
  const before = await stateOf(directory)
  const plan = await planOf(cleanupJob(directory, FTS))
  expect(plan.steps).toMatchObject([
    {
      id: 'full-text',
      count: 3,
      needsServerStopped: true,
      evidence: [
        '1 documents are not in it',
        '1 documents are in it in other words',
        '1 records without a document are in it',
      ],
    },
  ])
  expect(await foundBy(await copyOf(directory), 'document 0 of docs')).toBe(0)
  const { errors, removed } = await applyCleanup(cleanupJob(directory, FTS))
  expect([errors, removed]).toMatchObject([[], [{ count: 3 }]])
  expect((await planOf(cleanupJob(directory, FTS))).steps).toEqual([])
  await withDatabase(directory, (database) => {
    database.run(
      "INSERT INTO embedding_fulltext_search (embedding_fulltext_search, rank) VALUES ('integrity-check', 1)",
    )
  })
  expect(await foundBy(await copyOf(directory), 'document 0 of docs')).toBe(1)
  expect((await undoCleanup(undoJob(directory))).errors).toEqual([])
  expect(await stateOf(directory)).toEqual(before)
})

test('an index that is damaged inside is rebuilt', async () => {
  const directory = await littered.copy()
  await withDatabase(directory, (database) => {
    // The words of a document, without the document.
    database.exec(`DELETE FROM embedding_fulltext_search_idx WHERE segid > 0;
      UPDATE embedding_fulltext_search_content SET c0 = 'changed under the index' WHERE id = (${DOCUMENT} ORDER BY id LIMIT 1)`)
  })
  const { errors } = await applyCleanup(cleanupJob(directory, FTS))
  expect(errors).toEqual([])
  await withDatabase(directory, (database) => {
    database.run(
      "INSERT INTO embedding_fulltext_search (embedding_fulltext_search, rank) VALUES ('integrity-check', 1)",
    )
  })
  expect(await foundBy(directory, 'document 0 of docs')).toBe(1)
})

async function copyOf(directory: string): Promise<string> {
  const copy = await littered.copy()
  await cp(directory, copy, { recursive: true, force: true })
  return copy
}

/** How many records a real server finds by a text in the first `docs`. */
async function foundBy(directory: string, text: string): Promise<number> {
  const server = await startChroma({ directory })
  try {
    const place = `${server.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
    const response = await fetch(`${place}/docs`)
    const { id }: { id: string } = Object.assign({ id: '' }, await response.json())
    const answer = await post(`${place}/${id}/get`, { where_document: { $contains: text }, include: [] })
    const { ids }: { ids: readonly string[] } = Object.assign({ ids: [] }, answer)
    return ids.length
  } finally {
    await server.kill()
  }
}
