import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { DatabaseCopier } from '../../src/datadir/database-copier.js'
import { copyUnderLock } from '../../src/datadir/snapshot-lock.js'
import { proveDirectory } from '../../src/datadir/snapshot-proof.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { addDocuments } from '../helpers/data-directories.js'
import { runNow } from '../helpers/run-now.js'

const program = fileURLToPath(new URL('../helpers/add-documents.ts', import.meta.url))
const loader = fileURLToPath(new URL('../helpers/run-typescript.js', import.meta.url))
const chroma = chromaForSuite()
const THRESHOLD = 20
/** How long a write that must not happen is waited for; it is there much earlier when it may happen. */
const PATIENCE_MS = 3000

let folder: string
let staging: string
let round = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-lock-'))
  await addDocuments(chroma().url, { first: 0, records: 100, threshold: THRESHOLD })
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  staging = path.join(folder, String(++round))
  await mkdir(staging)
})

test('a client that writes between the copy of the database and that of the indexes has to wait', async () => {
  const done = path.join(folder, 'done')
  const args = ['--import', loader, program, chroma().url, '100', '100', String(THRESHOLD), done]
  const writers: Promise<unknown[]>[] = []
  const copy = await copyWithPause(() => {
    writers.push(once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit'))
    waitUntil(() => existsSync(done))
  })
  expect(copy).not.toBe('unlocked')
  expect(copy).not.toBe('stalled')
  const { problems, collections } = await proveDirectory({ directory: staging, tempDir: staging })
  expect(problems).toEqual([])
  expect(collections).toMatchObject([{ records: 100, missingVectors: 0, problem: null }])
  // It waited, and then it went on.
  expect(await Promise.all(writers)).toEqual([[0, null]])
})

test('a database that is written to all the same is noticed: locks do not hold everywhere', async () => {
  const database = path.join(chroma().directory, 'chroma.sqlite3')
  expect(await copyWithPause(() => runNow('touch', [database]))).toBe('unlocked')
})

/** Under the lock, after the database has begun to be copied and before any of the indexes is. */
async function copyWithPause(pause: () => void) {
  const { directory } = chroma()
  const [source, target] = [directory, staging].map((place) => path.join(place, 'chroma.sqlite3'))
  const copier = await DatabaseCopier.start(source ?? '', target ?? '')
  let paused = false
  const isTaken = () => {
    if (!paused) {
      paused = true
      pause()
    }
    return false
  }
  try {
    return await copyUnderLock({ directory, staging, copier, isTaken, maxStallMs: 60_000 })
  } finally {
    await copier.stop()
  }
}

/** Nothing else of this process goes on meanwhile. */
function waitUntil(condition: () => boolean): void {
  const deadline = Date.now() + PATIENCE_MS
  const cell = new Int32Array(new SharedArrayBuffer(4))
  while (!condition() && Date.now() < deadline) Atomics.wait(cell, 0, 0, 20)
  // What a write does after it was acknowledged.
  if (condition()) Atomics.wait(cell, 0, 0, 300)
}
