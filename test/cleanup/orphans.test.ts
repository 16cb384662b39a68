import { chown, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { startCli } from '../helpers/cli-process.js'
import { countOf, stateOf, withDatabase } from '../helpers/directory-state.js'
import { makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { expectSameContents, type ServerContents } from '../helpers/server-contents.js'
import { contentsOf } from './contents.js'
import { cleanupJob, undoJob } from './jobs.js'

let littered: LitteredDirectory
let expected: ServerContents
beforeAll(async () => {
  littered = await makeLitteredDirectory()
  expected = await contentsOf(await littered.copy())
})
afterAll(() => littered.dispose())

const ORPHANS = { targets: ['orphans'] } as const
const GHOST = '1111111a-2222-4333-8444-555555555555'
const TOPIC = 'persistent://default/default/'

/** What deleting a collection left in the database before Chroma 1.0.15. */
async function plantOldLitter(directory: string): Promise<void> {
  await withDatabase(directory, (database) => {
    database.exec(`
      INSERT INTO segments VALUES ('${GHOST}', 'urn:chroma:segment/metadata/sqlite', 'METADATA', 'dead-collection');
      INSERT INTO embeddings (id, segment_id, embedding_id, seq_id) VALUES
        (90001, '${GHOST}', 'ghost-1', 5), (90002, 'no-such-segment', 'ghost-2', x'0000000000000006');
      INSERT INTO embedding_metadata (id, key, string_value) VALUES
        (90001, 'chroma:document', 'secret text'), (90002, 'k', CAST(x'61006200' AS TEXT)), (90003, 'k', 'no record');
      INSERT INTO embedding_metadata_array (id, key, int_value) VALUES (90001, 'a', 2), (90001, 'a', 1);
      INSERT INTO embedding_fulltext_search (rowid, string_value) VALUES (90001, 'secret text');
      INSERT INTO max_seq_id VALUES ('${GHOST}', 7);
      INSERT INTO segment_metadata (segment_id, key, str_value) VALUES ('${GHOST}', 'hnsw:space', 'cosine');
      INSERT INTO collection_metadata (collection_id, key, str_value) VALUES ('dead-collection', 'k', 'v');
      INSERT INTO embeddings_queue (seq_id, operation, topic, id, vector) VALUES
        (-5, 0, '${TOPIC}${GHOST}', 'ghost-1', x'0102'), (-4, 0, 'a topic of somebody else', 'x', NULL);`)
  })
}

test('rows of every table that deleted collections leave are removed, told, and come back', async () => {
  const directory = await littered.copy()
  await plantOldLitter(directory)
  const before = await stateOf(directory)
  const { removed, errors } = await applyCleanup(cleanupJob(directory, ORPHANS))
  expect(errors).toEqual([])
  expect(removed.map(({ id, count }) => [id, count])).toEqual([
    ['index-directories', 4],
    ['embedding_metadata_array', 323],
    ['embedding_fulltext_search', 1],
    ['embedding_metadata', 3],
    ['embeddings', 2],
    ['max_seq_id', 1],
    ['segment_metadata', 1],
    ['embeddings_queue', 1],
    ['collection_metadata', 1],
    ['segments', 3],
  ])
  expect(await countOf(directory, "SELECT count(*) FROM embeddings_queue WHERE topic LIKE 'a topic%'")).toBe(
    1,
  )
  expect((await undoCleanup(undoJob(directory))).errors).toEqual([])
  expect(await stateOf(directory)).toEqual(before)
})

test('what is alive is the same for a server after old litter was removed', async () => {
  const directory = await littered.copy()
  await plantOldLitter(directory)
  await applyCleanup(cleanupJob(directory, ORPHANS))
  expectSameContents(await contentsOf(directory), expected)
})

test('directories of segments of every tenant and database are kept', async () => {
  const directory = await littered.copy()
  const segments = await withDatabase(directory, (database) =>
    database
      .all("SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = 'VECTOR'")
      .map(({ id }) => String(id)),
  )
  const kept = segments.filter((id) => id !== '')
  await applyCleanup(cleanupJob(directory, ORPHANS))
  const left = (await readdir(directory)).filter((name) => name.length === 36)
  expect(left.sort()).toEqual(kept.sort())
  expect(left).toHaveLength(3)
})

test('only plain directories with only files that Chroma writes are touched', async () => {
  const directory = await littered.copy()
  const outside = await littered.copy()
  const names = (await readdir(directory)).filter((name) => name.length === 36)
  const plan = await planOf(cleanupJob(directory, ORPHANS))
  const [first = '', second = '', third = ''] = plan.steps[0]?.evidence ?? []
  await writeFile(path.join(directory, first, 'notes.txt'), 'mine')
  await rm(path.join(directory, second, 'header.bin'))
  await symlink(path.join(outside, 'chroma.sqlite3'), path.join(directory, second, 'header.bin'))
  await rename(path.join(directory, third), path.join(outside, 'elsewhere'))
  await symlink(path.join(outside, 'elsewhere'), path.join(directory, third))
  await mkdir(path.join(directory, GHOST, 'folder'), { recursive: true })
  for (const name of ['index', 'my-backup', GHOST.toUpperCase(), `${GHOST}_backup_1`])
    await mkdir(path.join(directory, name))
  await writeFile(path.join(directory, 'chroma-collections.parquet'), '')
  const before = await stateOf(outside)
  const { removed, notices } = await applyCleanup(cleanupJob(directory, ORPHANS))
  expect(removed[0]).toMatchObject({ id: 'index-directories', count: 1 })
  expect(notices.map(({ message }) => message.split(': ')[1])).toEqual(
    expect.arrayContaining([
      'Chroma writes no notes.txt',
      'header.bin is not a plain file',
      'it is not a directory',
      'Chroma writes no folder',
    ]),
  )
  const left = await readdir(directory)
  for (const name of [
    first,
    second,
    third,
    GHOST,
    'index',
    'my-backup',
    GHOST.toUpperCase(),
    `${GHOST}_backup_1`,
  ])
    expect(left).toContain(name)
  expect(left.filter((name) => names.includes(name))).toHaveLength(names.length - 1)
  expect(await stateOf(outside)).toEqual(before)
})

test('a quarantine that is a symbolic link is refused', async () => {
  const directory = await littered.copy()
  const outside = await littered.copy()
  await rm(path.join(directory, '.chroma-ops'), { recursive: true })
  await mkdir(path.join(directory, '.chroma-ops'))
  await symlink(outside, path.join(directory, '.chroma-ops', 'quarantine'))
  const before = await stateOf(directory)
  await expect(applyCleanup(cleanupJob(directory, ORPHANS))).rejects.toMatchObject({ exitCode: 14 })
  expect(await stateOf(directory)).toEqual(before)
})

test('databases without tenant and collections without database are told, not touched', async () => {
  const directory = await littered.copy()
  await withDatabase(directory, (database) => {
    database.exec("INSERT INTO databases VALUES ('d', 'stray', 'nobody')")
    database.exec("UPDATE collections SET database_id = 'gone' WHERE name = 'small'")
  })
  const { notices } = await applyCleanup(cleanupJob(directory, ORPHANS))
  expect(notices.map(({ code }) => code)).toEqual(['DATABASE_WITHOUT_TENANT', 'COLLECTION_WITHOUT_DATABASE'])
  expect(await countOf(directory, "SELECT count(*) FROM databases WHERE name = 'stray'")).toBe(1)
  expect(await countOf(directory, "SELECT count(*) FROM collections WHERE name = 'small'")).toBe(1)
})

test('what root makes in the directory of another user belongs to that user', async () => {
  if (process.getuid?.() !== 0) return
  const directory = await littered.copy()
  for (const name of ['', ...(await readdir(directory, { recursive: true }))])
    await chown(path.join(directory, name), 65534, 65534)
  await applyCleanup(cleanupJob(directory, { targets: ['orphans', 'vacuum'] }))
  for (const name of await readdir(directory, { recursive: true }))
    expect([name, (await stat(path.join(directory, name))).uid]).toEqual([name, 65534])
})

test('a user who may not write there is told, and nothing is changed', async () => {
  if (process.getuid?.() !== 0) return
  const directory = await littered.copy()
  const before = await stateOf(directory)
  const run = await startCli(
    ['cleanup', 'orphans', '--path', directory, '--apply', '--server-stopped', '--json'],
    {
      wrapper: ['setpriv', '--reuid=65534', '--clear-groups'],
      environment: { CHROMA_OPS_STATE_DIR: tmpdir() },
    },
  )
  const { exitCode, stdout } = await run.ended
  // It cannot even be read: temporary folders are for their owner alone.
  expect([exitCode, JSON.parse(stdout)]).toMatchObject([14, { error: { code: expect.any(String) } }])
  expect(await stateOf(directory)).toEqual(before)
})
