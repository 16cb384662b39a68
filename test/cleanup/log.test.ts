import { cp, rm } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { startChroma } from '../helpers/chroma-server.js'
import { countOf, stateOf, withDatabase } from '../helpers/directory-state.js'
import { addRecords, makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { expectSameContents } from '../helpers/server-contents.js'
import { contentsOf } from './contents.js'
import { cleanupJob, undoJob } from './jobs.js'

/** A directory whose server never purged its log: all rows of all collections are there. */
let unpurged: LitteredDirectory
beforeAll(async () => {
  const littered = await makeLitteredDirectory()
  await withDatabase(littered.path, (database) => {
    database.exec(
      `UPDATE embeddings_queue_config SET config_json_str =
       '{"automatically_purge":false,"_type":"EmbeddingsQueueConfigurationInternal"}'`,
    )
  })
  const server = await startChroma({ directory: littered.path })
  const home = `${server.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
  const acme = `${server.url}/api/v2/tenants/acme/databases/main/collections`
  await addRecords(home, 'aaa', 24)
  await addRecords(acme, 'bbb', 36)
  await addRecords(home, 'few', 4)
  await server.halt()
  unpurged = littered
})
afterAll(() => unpurged.dispose())

const HOME = '/api/v2/tenants/default_tenant/databases/default_database/collections'
const WAL = { targets: ['wal'] } as const
const queue = (directory: string) => countOf(directory, 'SELECT count(*) FROM embeddings_queue')
/** Rows above what a segment of their collection has read, by a query of its own. */
const unread = (directory: string) =>
  countOf(
    directory,
    `SELECT count(*) FROM embeddings_queue q JOIN collections c ON q.topic = 'persistent://default/default/' || c.id
     WHERE EXISTS (SELECT 1 FROM segments s LEFT JOIN max_seq_id m ON m.segment_id = s.id
       WHERE s.collection = c.id AND q.seq_id > coalesce(m.seq_id, 0))`,
  )

test('rows that both segments have saved go, and none that one of them has not', async () => {
  const directory = await unpurged.copy()
  const [rows, needed] = [await queue(directory), await unread(directory)]
  expect(needed).toBeGreaterThan(5)
  const { removed, errors } = await applyCleanup(cleanupJob(directory, WAL))
  expect(errors).toEqual([])
  expect(removed[0]?.count).toBeGreaterThan(30)
  expect(await queue(directory)).toBe(rows - (removed[0]?.count ?? 0))
  expect(await unread(directory)).toBe(needed)
  expect((await planOf(cleanupJob(directory, WAL))).steps).toEqual([])
})

test('a server says the same afterwards, and goes on writing', async () => {
  const expected = await contentsOf(await unpurged.copy())
  const directory = await unpurged.copy()
  await applyCleanup(cleanupJob(directory, WAL))
  expectSameContents(await contentsOf(directory), expected)
  expect(await recordsAfterAdding(directory, 'aaa', 49)).toBe(49)
})

test('undoing it gives the same rows and the same configuration', async () => {
  const directory = await unpurged.copy()
  const before = await stateOf(directory)
  const { removed } = await applyCleanup(cleanupJob(directory, WAL))
  expect(removed.map(({ id }) => id)).toEqual(['embeddings_queue', 'embeddings_queue_config'])
  expect(
    await countOf(
      directory,
      `SELECT json_extract(config_json_str, '$.automatically_purge') FROM embeddings_queue_config`,
    ),
  ).toBe(1)
  expect((await undoCleanup(undoJob(directory))).errors).toEqual([])
  expect(await stateOf(directory)).toEqual(before)
})

test('the newest row stays, also when both segments have saved it; without it a server loses what is written next', async () => {
  const directory = await unpurged.copy()
  const server = await startChroma({ directory })
  await addRecords(`${server.url}${HOME}`, 'end', 12, 12)
  await server.halt()
  await applyCleanup(cleanupJob(directory, { targets: ['orphans', 'wal'] }))
  const newest = await countOf(directory, 'SELECT max(seq_id) FROM embeddings_queue')
  expect(newest).toBe(
    await countOf(directory, 'SELECT min(seq_id) FROM max_seq_id WHERE seq_id >= ?', BigInt(newest)),
  )
  const same = await unpurged.copy()
  await cp(directory, same, { recursive: true, force: true })
  expect(await recordsAfterAdding(directory, 'end', 13)).toBe(13)

  // That this is why.
  await withDatabase(same, (database) => {
    database.exec('DELETE FROM embeddings_queue WHERE seq_id = (SELECT max(seq_id) FROM embeddings_queue)')
  })
  expect(await recordsAfterAdding(same, 'end', 13, 'kill')).toBe(12)
})

test('the newest row stays when it is one of a dead collection', async () => {
  const directory = await unpurged.copy()
  await withDatabase(directory, (database) => {
    database.exec(`INSERT INTO embeddings_queue (operation, topic, id)
      VALUES (3, 'persistent://default/default/1111111a-2222-4333-8444-555555555555', 'x')`)
  })
  const newest = await countOf(directory, 'SELECT max(seq_id) FROM embeddings_queue')
  await applyCleanup(cleanupJob(directory, { targets: ['orphans', 'wal'] }))
  expect(await countOf(directory, 'SELECT max(seq_id) FROM embeddings_queue')).toBe(newest)
})

test('a log that was emptied and began anew is not purged: its rows look saved, and are the only copy', async () => {
  const directory = await unpurged.copy()
  await withDatabase(directory, (database) => {
    database.exec('DELETE FROM embeddings_queue; UPDATE max_seq_id SET seq_id = 1000')
    const topic =
      database.get("SELECT 'persistent://default/default/' || id AS topic FROM collections")?.['topic'] ??
      null
    for (let row = 0; row < 5; row++)
      database.run("INSERT INTO embeddings_queue (operation, topic, id) VALUES (0, ?, 'x')", topic)
  })
  const { removed, notices } = await applyCleanup(cleanupJob(directory, WAL))
  expect(removed).toEqual([])
  expect(notices).toMatchObject([{ code: 'LOG_RESTARTED' }])
  expect(await queue(directory)).toBe(5)
})

test('the log of a collection whose index files are missing is not purged', async () => {
  const directory = await unpurged.copy()
  const id = await withDatabase(directory, (database) =>
    String(
      database.get(
        `SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE c.name = 'bbb' AND s.scope = 'VECTOR'`,
      )?.['id'],
    ),
  )
  await rm(path.join(directory, id, 'index_metadata.pickle'))
  const rows = () =>
    countOf(
      directory,
      `SELECT count(*) FROM embeddings_queue q JOIN collections c ON substr(q.topic, -36) = c.id WHERE c.name = 'bbb'`,
    )
  const before = await rows()
  const { removed, notices } = await applyCleanup(cleanupJob(directory, WAL))
  expect(notices).toMatchObject([{ code: 'LOG_IS_LAST_COPY' }])
  // Nor is the server told to purge it.
  expect(removed.map(({ id: step }) => step)).toEqual(['embeddings_queue'])
  expect(await rows()).toBe(before)
})

/** How many records a collection has after a real server has brought it to `count`, and was started again. */
async function recordsAfterAdding(
  directory: string,
  name: string,
  count: number,
  // A server whose log was tampered with is never done with its files.
  end: 'halt' | 'kill' = 'halt',
): Promise<number> {
  const server = await startChroma({ directory })
  await addRecords(`${server.url}${HOME}`, name, count)
  await server[end]()
  const contents = await contentsOf(directory)
  return (contents.get(`default_tenant/default_database/${name}`) ?? []).length - 1
}
