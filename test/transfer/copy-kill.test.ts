import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { isShadow } from '../../src/chroma/shadow-marker.js'
import { numberedBatch } from '../helpers/backups.js'
import { seedCollection, TENANT, twoServersForSuite } from '../helpers/copies.js'
import { batchOf } from '../helpers/memory-source.js'
import { collectionsOf } from '../helpers/restores.js'
import { expectSameContents, type ServerContents } from '../helpers/server-contents.js'

/** `npm run test:soak` kills more often. */
const KILLS = Number(process.env['CHROMA_OPS_TEST_KILLS'] ?? 2)
const { chromas, from, to, copy, database, contents } = twoServersForSuite()
const sizes = new Map([
  ['first', 400],
  ['second', 300],
  ['third', 0],
])
let home: string
/** Of a copy that nobody kills. */
let duration: number

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'chroma-ops-copy-kill-'))
  const started = performance.now()
  await copy(await seeded())
  duration = performance.now() - started
})
afterAll(() => rm(home, { recursive: true, force: true }))

test(
  `killed ${KILLS} times at random moments, while the source changes: the next run finishes, and both are equal`,
  async () => {
    let killed = 0
    for (let round = 0; round < KILLS; round++) {
      const mode = round % 2 === 0 ? 'create' : 'replace'
      const name = await seeded()
      if (mode === 'replace') await seedTarget(name)
      // A little beyond the end, so that the last steps are hit as well.
      if (await copyAndKill(name, mode, (duration * 1.3 * (round + Math.random())) / KILLS)) killed++
      await expectWholeNames(name, mode)
      await change(name)
      await finish(name, mode)
    }
    expect(killed).toBeGreaterThan(0)
  },
  KILLS * 30_000,
)

async function seeded(): Promise<string> {
  const name = await database()
  for (const [each, records] of sizes)
    await seedCollection(from(), { database: name, name: each }, numberedBatch(records, 16))
  return name
}

async function seedTarget(name: string): Promise<void> {
  await to().createDatabase(TENANT, name)
  for (const each of sizes.keys())
    await seedCollection(to(), { database: name, name: each }, numberedBatch(1, 16, 'old'))
}

/** A record at the beginning goes, one is changed: what was written is no beginning of the source any more. */
async function change(name: string): Promise<void> {
  const first = (await collectionsOf(from(), name)).get('first')
  if (first === undefined) throw new Error('no source')
  await from().deleteRecords(first, ['r2'])
  const embedding = Array.from({ length: 16 }, () => 4)
  await from().upsert(first, batchOf([{ id: 'r5', embedding, document: 'changed' }]))
}

/** Resolves with false when the copy was done before it could be killed. */
async function copyAndKill(name: string, mode: string, afterMs: number): Promise<boolean> {
  const helper = (file: string) => fileURLToPath(new URL(`../helpers/${file}`, import.meta.url))
  const child = spawn(
    process.execPath,
    [
      ...['--import', helper('run-typescript.js'), helper('copy-process.ts')],
      ...[chromas[0]().url, chromas[1]().url, name, mode, home, home],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  const begun = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('begin')) resolve()
    })
  })
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await Promise.race([begun, exited])
  await Promise.race([pause(afterMs), exited])
  child.kill('SIGKILL')
  const code = await exited
  if (code !== null && code !== 0) throw new Error(`the copy failed by itself: ${output}`)
  return code === null
}

/** A name has all that it had or all that it shall have. */
async function expectWholeNames(name: string, mode: string): Promise<void> {
  if (!(await to().listDatabases(TENANT)).includes(name)) return
  const found = await collectionsOf(to(), name)
  for (const [each, records] of sizes) {
    const live = found.get(each)
    if (live === undefined) {
      // Between the two renames of a swap, the old one is beside its name.
      const kept = [...found.keys()].some((other) => other.startsWith(`${each}.replaced-`))
      expect(mode === 'create' || kept).toBe(true)
    } else {
      expect(isShadow(live)).toBe(false)
      expect(mode === 'create' ? [records] : [records, 1]).toContain(await to().count(live))
    }
  }
}

async function finish(name: string, mode: 'create' | 'replace'): Promise<void> {
  // What the killed run has finished is older than the change: --sync brings that over, too.
  if (mode === 'create') {
    const names = await to().listDatabases(TENANT)
    const found = names.includes(name) ? [...(await collectionsOf(to(), name)).keys()] : []
    const isDone = [...sizes.keys()].every((each) => found.includes(each))
    if (!isDone) await copy(name, { stateDir: home })
    expect(await copy(name, { stateDir: home, sync: true, deleteExtra: true })).toMatchObject({
      equal: true,
      exitCode: 0,
    })
  } else {
    await copy(name, { stateDir: home, mode })
    expect(await copy(name, { mode: 'overwrite' })).toMatchObject({ equal: true })
  }
  const { source, target } = await contents(name)
  expectSameContents(sortedRecords(target), sortedRecords(source))
  expect([...target.keys()].filter((each) => each.includes('.restore-'))).toEqual([])
}

function sortedRecords(all: ServerContents): ServerContents {
  const own = [...all].filter(([each]) => sizes.has(each))
  return new Map(own.map(([each, [, ...lines]]) => [each, lines.sort()]))
}
