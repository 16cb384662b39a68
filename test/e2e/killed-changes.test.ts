import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { startChroma, testCacheDir } from '../helpers/chroma-server.js'
import { newCollection } from '../helpers/api-for-suite.js'
import { startCli } from '../helpers/cli-process.js'
import { withApi } from '../helpers/restores.js'
import { simpleRecords } from '../helpers/simple-collection.js'

/** `npm run test:soak` does it more often. */
const KILLS = Number(process.env['CHROMA_OPS_TEST_KILLS'] ?? 1)
const RECORDS = 3_000

let folder: string
let made: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-killed-changes-'))
  made = path.join(folder, 'made')
  const chroma = await startChroma({ directory: made })
  await withApi(chroma.url, async (api) => {
    const docs = await newCollection(api, { name: 'docs', hnsw: { space: 'l2', sync_threshold: 500 } })
    for (let first = 0; first < RECORDS; first += 600) await api.add(docs, simpleRecords(first, 600))
  })
  await chroma.halt()
  await chroma.stop()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Ids in order; fails when a vector is missing or is not the record's own. */
async function soundIds(directory: string): Promise<readonly string[]> {
  const chroma = await startChroma({ directory })
  try {
    return await withApi(chroma.url, async (api) => {
      const collection = await api.getCollection({
        tenant: 'default_tenant',
        database: 'default_database',
        name: 'docs',
      })
      const { ids, missingEmbeddings, embeddings } = await api.get(collection, { include: ['embeddings'] })
      expect(missingEmbeddings).toEqual([])
      for (const [row, id] of ids.entries()) expect(embeddings[row * 3]).toBe(Number(id.slice(2)))
      const vector = new Float32Array([100, 1, 2])
      const hits = await api.query(collection, { vector, limit: 5, withVectors: false })
      expect(hits).toHaveLength(5)
      return ids
    })
  } finally {
    await chroma.kill()
    await chroma.halt()
  }
}

/** Runs a command, and ends it with SIGKILL at a random moment of its usual time. */
async function runKilled(args: readonly string[], usualMs: number): Promise<void> {
  const run = await startCli(args)
  const timer = setTimeout(() => run.kill('SIGKILL'), Math.random() * usualMs)
  await run.ended
  clearTimeout(timer)
}

async function runToEnd(args: readonly string[]): Promise<number> {
  const started = performance.now()
  const { exitCode, stderr } = await (await startCli(args)).ended
  expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining('error')])
  return performance.now() - started
}

describe('killed at any moment and run again', () => {
  test('erase has erased these records, and no others', async () => {
    const flags = [
      '--id',
      'id7',
      '--id',
      'id2999',
      '--apply',
      '--server-stopped',
      '--cache-dir',
      testCacheDir,
    ]
    const trial = path.join(folder, 'erase-trial')
    await cp(made, trial, { recursive: true })
    const usual = await runToEnd(['erase', '--path', trial, ...flags])
    for (let kill = 0; kill < KILLS; kill++) {
      const directory = path.join(folder, `erase-${kill}`)
      await cp(made, directory, { recursive: true })
      await runKilled(['erase', '--path', directory, ...flags], usual)
      await runToEnd(['erase', '--path', directory, ...flags])
      const bytes = await readFile(path.join(directory, 'chroma.sqlite3'))
      expect(bytes.includes('document 2999')).toBe(false)
      const ids = await soundIds(directory)
      expect([ids.length, ids.includes('id7'), ids.includes('id2999')]).toEqual([RECORDS - 2, false, false])
      await rm(directory, { recursive: true })
    }
  })

  test('rebuild index leaves an index that is whole, also before it is run again', async () => {
    const flags = ['--collection', 'docs', '--apply', '--server-stopped', '--cache-dir', testCacheDir]
    const trial = path.join(folder, 'rebuild-trial')
    await cp(made, trial, { recursive: true })
    const usual = await runToEnd(['rebuild', 'index', '--path', trial, ...flags])
    for (let kill = 0; kill < KILLS; kill++) {
      const directory = path.join(folder, `rebuild-${kill}`)
      await cp(made, directory, { recursive: true })
      await runKilled(['rebuild', 'index', '--path', directory, ...flags], usual)
      const seen = path.join(folder, `rebuild-seen-${kill}`)
      await cp(directory, seen, { recursive: true })
      expect(await soundIds(seen)).toHaveLength(RECORDS)
      await runToEnd(['rebuild', 'index', '--path', directory, ...flags])
      expect(await soundIds(directory)).toHaveLength(RECORDS)
      await rm(directory, { recursive: true })
      await rm(seen, { recursive: true })
    }
  })
})
