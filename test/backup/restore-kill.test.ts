import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import { verifyAgainst } from '../../src/backup/verify-against.js'
import type { ChromaApi } from '../../src/chroma/api.js'
import { isShadow } from '../../src/chroma/shadow-marker.js'
import { silentProgress } from '../../src/core/progress.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { collectionOf, numberedBatch } from '../helpers/backups.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import {
  backupOf,
  collectionsOf,
  freshDatabase,
  restoreJob,
  withApi,
  type TestBackup,
} from '../helpers/restores.js'

/** `npm run test:soak` kills more often. */
const KILLS = Number(process.env['CHROMA_OPS_TEST_KILLS'] ?? 4)
const chroma = chromaForSuite()
const sizes = new Map([
  ['first', 400],
  ['second', 300],
  ['third', 0],
])
let home: string
let backup: TestBackup
/** Of a restore that nobody kills. */
let duration: number

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'chroma-ops-kill-'))
  const collections = [...sizes].map(([name, records]) => collectionOf(name, [numberedBatch(records, 16)]))
  backup = await backupOf(collections, new LocalStore(path.join(home, 'repository')))
  duration = await withApi(chroma().url, async (api) => {
    const started = performance.now()
    await restoreBackup(restoreJob(backup, api, { targetDatabase: await freshDatabase(api) }))
    return performance.now() - started
  })
})
afterAll(() => rm(home, { recursive: true, force: true }))

test(
  `killed ${KILLS} times at random moments: live names are as they were, and the next run finishes`,
  async () => {
    let killed = 0
    for (let round = 0; round < KILLS; round++) {
      const mode = round % 2 === 0 ? 'create' : 'replace'
      await withApi(chroma().url, async (api) => {
        const database = await freshDatabase(api)
        if (mode === 'replace')
          await restoreBackup(restoreJob(await oldBackup(), api, { targetDatabase: database }))
        // A little beyond the end, so that the last steps are hit as well.
        const after = duration * 1.3 * ((round + Math.random()) / KILLS) ** 2
        if (await restoreAndKill(database, mode, after)) killed++
        await expectWholeLiveNames(api, database, mode)
        await finish(api, database, mode)
      })
    }
    expect(killed).toBeGreaterThan(0)
  },
  60_000 + KILLS * 30_000,
)

/** Resolves with false when the restore was done before it could be killed. */
async function restoreAndKill(database: string, mode: string, afterMs: number): Promise<boolean> {
  const script = fileURLToPath(new URL('../helpers/restore-process.ts', import.meta.url))
  const loader = fileURLToPath(new URL('../helpers/run-typescript.js', import.meta.url))
  const child = spawn(
    process.execPath,
    [
      '--import',
      loader,
      script,
      chroma().url,
      path.join(home, 'repository'),
      backup.head.id,
      database,
      mode,
      home,
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
  if (code !== null && code !== 0) throw new Error(`the restore failed by itself: ${output}`)
  return code === null
}

async function expectWholeLiveNames(api: ChromaApi, database: string, mode: string): Promise<void> {
  const found = await collectionsOf(api, database)
  for (const [name, records] of sizes) {
    const live = found.get(name)
    if (live === undefined) {
      // Between the two renames of a swap, the old one is beside its name.
      const kept = [...found.keys()].some((other) => other.startsWith(`${name}.replaced-`))
      expect(mode === 'create' || kept).toBe(true)
    } else {
      expect(isShadow(live)).toBe(false)
      expect(mode === 'create' ? [records] : [records, 1]).toContain(await api.count(live))
    }
  }
}

async function finish(api: ChromaApi, database: string, mode: 'create' | 'replace'): Promise<void> {
  const job = restoreJob(backup, api, { targetDatabase: database, mode, stateDir: home })
  // A run that was killed behind its last step is finished: it is not known any more, and refused.
  const done = (await collectionsOf(api, database)).size === sizes.size && (await isEqual(api, database))
  if (mode === 'replace' || !done) expect((await restoreBackup(job)).equal ?? true).toBe(true)
  expect(await isEqual(api, database)).toBe(true)
  const names = [...(await collectionsOf(api, database)).keys()]
  expect(names.filter((name) => name.includes('.restore-'))).toEqual([])
}

async function isEqual(api: ChromaApi, database: string): Promise<boolean> {
  const job = { ...backup, api, targetDatabase: database, now: () => new Date(), progress: silentProgress }
  return (await verifyAgainst(job)).status === 'equal'
}

async function oldBackup(): Promise<TestBackup> {
  return backupOf([...sizes.keys()].map((name) => collectionOf(name, [numberedBatch(1, 16, 'old')])))
}
