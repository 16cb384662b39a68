import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { beforeAll, expect, test } from '@jest/globals'

import { UsageError } from '../../../src/core/errors.js'
import { healthExitCode } from '../../../src/health/report.js'
import { newCollection } from '../../helpers/api-for-suite.js'
import { startChroma, testCacheDir } from '../../helpers/chroma-server.js'
import { describeOldServer } from '../../helpers/old-server.js'
import { simpleRecords } from '../../helpers/simple-collection.js'
import {
  changeDatabase,
  complaints,
  copyOf,
  healthOfDirectory,
  indexFolderOf,
  newFolder,
  writtenDirectory,
} from './directories.js'

let sound: string

beforeAll(async () => {
  sound = await writtenDirectory(async (api) => {
    const collection = await newCollection(api, { name: 'docs', hnsw: { sync_threshold: 10 } })
    await api.add(collection, simpleRecords(0, 60))
    await api.deleteRecords(collection, ['id5'])
  })
})

const rehearsed = (version: string) => ({ upgradeTo: version, cacheDir: testCacheDir, tempDir: tmpdir() })

test('to the same line: nothing changes, and a rehearsal gives everything back', async () => {
  const report = await healthOfDirectory(sound, rehearsed('1.5'))
  expect(report.upgrade).toMatchObject({
    from: '1.5.0 and newer',
    to: '1.5',
    opening: 'as it is',
    changes: [],
    rehearsal: { failure: null, differences: [], collections: 1 },
  })
  expect(complaints(report)).toEqual([])
})

test('to an older one that cannot open it: refused, and nothing is rehearsed', async () => {
  const report = await healthOfDirectory(sound, rehearsed('1.0.15'))
  expect(report.upgrade).toMatchObject({ opening: 'refused', rehearsal: null })
  expect(complaints(report)).toEqual(['critical UPGRADE_REFUSED'])
  expect(healthExitCode(report)).toBe(4)
  await expect(healthOfDirectory(sound, rehearsed('newest'))).rejects.toThrow(UsageError)
})

test('from before 1.0: what changes is listed, the metric that is shown wrong among it', async () => {
  const directory = await copyOf(sound)
  await changeDatabase(
    directory,
    "DELETE FROM migrations WHERE (dir = 'sysdb' AND version > 9) OR (dir = 'metadb' AND version > 4)",
    "INSERT INTO segment_metadata (segment_id, key, str_value) SELECT id, 'hnsw:space', 'cosine' FROM segments WHERE scope = 'VECTOR'",
    `UPDATE embeddings_queue_config SET config_json_str = '{"automatically_purge":false}'`,
  )
  const { upgrade, findings } = await healthOfDirectory(directory, { upgradeTo: '1.5.9' })
  expect(upgrade).toMatchObject({ from: '0.5.6 to 0.6.x', opening: 'migrating', rehearsal: null })
  expect(upgrade?.changes.map(({ id }) => id)).toEqual([
    'MIGRATIONS',
    'NO_WAY_BACK',
    'NO_AUTHENTICATION',
    'MOUNT_MOVED',
    'API_V1_GONE',
    'POSITIONS_CONVERTED',
    'SPACE_SHOWN_AS_L2',
    'LOG_NOT_PURGED',
    'SCHEMAS',
  ])
  expect(upgrade?.changes[0]?.text).toContain('sysdb 10, metadb 5 to 6')
  expect(findings.map(({ id }) => id)).toContain('OLD_FORMAT')
})

test('a server that cannot give everything back from the copy is told, with what is missing', async () => {
  const directory = await copyOf(sound)
  await rm(path.join(await indexFolderOf(directory, 'docs'), 'length.bin'))
  const report = await healthOfDirectory(directory, rehearsed('1.5'))
  const docs = 'default_tenant/default_database/docs'
  expect([...complaints(report)].sort()).toEqual([
    `critical INDEX_FILE_MISSING ${docs}`,
    `critical UPGRADE_REHEARSAL_FAILED ${docs}`,
  ])
})

test('both views of a server and its directory agree; those of another directory do not', async () => {
  const directory = await copyOf(sound)
  const chroma = await startChroma({ directory })
  try {
    const server = { url: chroma.url }
    const same = await healthOfDirectory(directory, { server })
    expect([complaints(same), same.server?.differences]).toEqual([[], []])
    const other = await healthOfDirectory(
      await writtenDirectory(async (api) => {
        await newCollection(api, { name: 'docs' })
        await newCollection(api, { name: 'only-here' })
      }),
      { server },
    )
    expect(
      other.server?.differences.map(({ collection, text }) => [collection.split('/')[2], text.slice(0, 30)]),
    ).toEqual([
      ['docs', 'another collection has this na'],
      ['docs', '59 records through the server,'],
      ['only-here', 'the server does not have it'],
    ])
    expect(healthExitCode(other)).toBe(4)
  } finally {
    await chroma.kill()
  }
  const silent = await healthOfDirectory(directory, { server: { url: chroma.url, retry: { maxRetries: 0 } } })
  expect(complaints(silent)).toEqual(['critical SERVER_UNREACHABLE'])
})

describeOldServer('a directory of the 1.0 line', (binding) => {
  test('is healthy, and its upgrade is rehearsed: migrations, schemas, no way back', async () => {
    const directory = path.join(await newFolder(), 'data')
    const chroma = await startChroma({ directory, binding })
    const base = `${chroma.url}/api/v2/tenants/default_tenant/databases/default_database/collections`
    const post = async (url: string, body: object) =>
      (
        await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).text()
    const id = /"id":"([^"]+)"/.exec(
      await post(base, { name: 'old', configuration: { hnsw: { space: 'cosine', sync_threshold: 10 } } }),
    )?.[1]
    await post(`${base}/${String(id)}/add`, {
      ids: Array.from({ length: 30 }, (_, index) => `id${index}`),
      embeddings: Array.from({ length: 30 }, (_, index) => [index, 1, 2]),
      documents: Array.from({ length: 30 }, (_, index) => `document ${index}`),
    })
    await chroma.stop()
    const report = await healthOfDirectory(directory, { level: 'deep', ...rehearsed('1.5') })
    expect(complaints(report)).toEqual([])
    expect(report.collections[0]).toMatchObject({ name: 'old', space: 'cosine', records: 30 })
    expect(report.upgrade?.changes.map(({ id: change }) => change)).toEqual([
      'MIGRATIONS',
      'NO_WAY_BACK',
      'SCHEMAS',
    ])
    expect(report.upgrade?.rehearsal).toMatchObject({ failure: null, differences: [] })
  })
})
