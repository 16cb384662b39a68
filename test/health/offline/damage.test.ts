import { mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { beforeAll, expect, test } from '@jest/globals'

import { OVERWRITING } from '../../../src/datadir/overwritten.js'
import { healthExitCode } from '../../../src/health/report.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import {
  complaints,
  copyOf,
  healthOfDirectory,
  indexFolderOf,
  segmentFolders,
  withDatabase,
  writtenDirectory,
} from './directories.js'
import { damagedFiles } from './damaged-files.js'
import { damagedRows } from './damaged-rows.js'
import { topicOf } from './damage.js'

/** One collection that was saved, with more in the log, and one that never was. */
let sound: string

beforeAll(async () => {
  sound = await writtenDirectory(async (api) => {
    const saved = await newCollection(api, { name: 'saved', hnsw: { sync_threshold: 10 } })
    // Links on upper levels need some records.
    await api.add(saved, simpleRecords(0, 200))
    await api.deleteRecords(saved, ['id3'])
    await api.add(saved, {
      ...simpleRecords(500, 4),
      metadatas: Array.from({ length: 4 }, () => new Map([['tags', ['a']]])),
    })
    const unsaved = await newCollection(api, { name: 'unsaved' })
    await api.add(unsaved, simpleRecords(0, 20))
  })
})

test('a vacuum that was killed while it wrote over the database is named, and the command that finishes it', async () => {
  const directory = await copyOf(sound)
  const handle = await open(path.join(directory, 'chroma.sqlite3'), 'r+')
  await handle.write(OVERWRITING, 0)
  await handle.close()
  const { findings } = await healthOfDirectory(directory)
  expect(findings.filter(({ severity }) => severity === 'critical')).toMatchObject([
    { id: 'DATABASE_OVERWRITTEN', command: `chroma-ops cleanup --path ${directory} --apply` },
  ])
})

test('nothing is found where nothing was planted', async () => {
  const report = await healthOfDirectory(sound, { level: 'deep' })
  expect(report.findings).toEqual([])
  expect(await segmentFolders(sound)).toHaveLength(2)
})

test.each([...damagedFiles, ...damagedRows].map((damage) => [damage.what, damage] as const))(
  '%s',
  async (_, damage) => {
    const directory = await copyOf(sound)
    await damage.plant(directory)
    const report = await healthOfDirectory(directory, { level: damage.deep === true ? 'deep' : 'ready' })
    expect(
      complaints(report)
        .filter((found) => found !== damage.perhaps)
        .sort(),
    ).toEqual([...damage.found].sort())
    expect(report.findings.map(({ id }) => id)).toEqual(expect.arrayContaining([...(damage.told ?? [])]))
    const worst = damage.found.some((found) => found.startsWith('critical'))
      ? 4
      : damage.found.length > 0
        ? 3
        : 0
    expect(healthExitCode(report)).toBe(worst)
  },
)

test('lost vectors are counted one by one, and named', async () => {
  const directory = await copyOf(sound)
  await rm(await indexFolderOf(directory, 'saved'), { recursive: true })
  const { collections, findings } = await healthOfDirectory(directory)
  const inLog = await withDatabase(directory, (database) =>
    Number(
      database.get(
        `SELECT count(*) AS n FROM embeddings_queue WHERE topic = ${topicOf('saved')} AND operation = 0`,
      )?.['n'],
    ),
  )
  expect(collections.find(({ name }) => name === 'saved')).toMatchObject({
    status: 'critical',
    records: 203,
    vectors: { lost: 203 - inLog },
  })
  const lost = findings.find(({ id }) => id === 'VECTORS_LOST')
  expect(lost?.evidence).toContain(`${203 - inLog} of 203 records: "id0"`)
  expect(lost?.command).toContain(`chroma-ops rescue --path ${directory}`)
})

test('a directory that was moved is found again', async () => {
  const directory = await copyOf(sound)
  const below = path.join(directory, 'chroma')
  await mkdir(below)
  await rename(path.join(directory, 'chroma.sqlite3'), path.join(below, 'chroma.sqlite3'))
  const { findings } = await healthOfDirectory(directory)
  expect(findings[0]?.evidence).toContain(`there is one in ${below}`)
})
