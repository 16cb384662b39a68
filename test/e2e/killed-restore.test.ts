import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli } from '../helpers/cli-process.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import {
  dropCollections,
  expectSameContents,
  serverContents,
  type ServerContents,
} from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` kills more often. */
const KILLS = Number(process.env['CHROMA_OPS_TEST_KILLS'] ?? 3)
const COLLECTIONS = 4

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let repo: string
let restored: ServerContents
/** What the names held before, in the rounds that replace. */
let old: ServerContents

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-killed-'))
  repo = path.join(folder, 'backups')
  await seed(0)
  restored = await serverContents(chroma().url)
  await backUp(chroma().url, repo, '--series', 'main')
  await dropCollections(chroma().url)
  await seed(5_000)
  old = await serverContents(chroma().url)
})

afterAll(() => rm(folder, { recursive: true }))

test(
  `a restore killed ${KILLS} times: names hold what they held, or all of the backup; run again, it converges`,
  async () => {
    await dropCollections(chroma().url)
    const { duration } = await startAndKill('create', Infinity)
    let killed = 0
    for (let round = 0; round < KILLS; round++) {
      const mode = round % 2 === 0 ? 'create' : 'replace'
      await dropCollections(chroma().url)
      if (mode === 'replace') await seed(5_000)
      const end = await startAndKill(mode, momentOf(round) * duration)
      if (end.signal === 'SIGKILL') killed++
      else expect(end).toMatchObject({ exitCode: 0, signal: null })
      await expectWholeNames(mode)
      await finish(mode)
    }
    expect(killed).toBeGreaterThan(0)
  },
  60_000 + KILLS * 20_000,
)

async function seed(first: number): Promise<void> {
  const seeds = Array.from({ length: COLLECTIONS }, (_, number) => ({
    ...home,
    name: `collection-${number}`,
    records: sampleBatch({ rows: 80 * number, dimension: 8, first: first + 1000 * number }),
  }))
  await withApi(chroma().url, (api) => seedServer(api, seeds))
}

function restoreArgs(url: string, mode: string): string[] {
  return ['restore', 'latest', '--repo', repo, '--url', url, '--mode', mode, '--state-dir', folder]
}

/** Early in the first round, then later and later; the last may be after the end. In parts of the duration. */
function momentOf(round: number): number {
  return 1.1 * ((round + Math.random()) / KILLS) ** 2
}

/** Kills a restore so many milliseconds after its first request; it may have ended before. */
async function startAndKill(mode: string, afterMs: number) {
  let begin: () => void = () => {}
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const proxy = await startFaultProxy({
    target: chroma().url,
    decide: () => {
      begin()
      return undefined
    },
  })
  try {
    const cli = await startCli(restoreArgs(proxy.url, mode), { environment: { TMPDIR: folder } })
    await Promise.race([begun, cli.ended])
    const started = performance.now()
    const timer = new AbortController()
    if (Number.isFinite(afterMs))
      void pause(afterMs, undefined, { signal: timer.signal }).then(
        () => cli.kill('SIGKILL'),
        () => {},
      )
    const { exitCode, signal } = await cli.ended
    timer.abort()
    return { exitCode, signal, duration: performance.now() - started }
  } finally {
    await proxy.close()
  }
}

async function expectWholeNames(mode: string): Promise<void> {
  const now = await serverContents(chroma().url)
  for (let number = 0; number < COLLECTIONS; number++) {
    const name = `default_tenant/default_database/collection-${number}`
    const [found] = [now.get(name)]
    if (found === undefined) {
      // Between the two renames of a swap the old one is beside its name.
      const isAside = [...now.keys()].some((other) => other.startsWith(`${name}.replaced-`))
      expect(mode === 'create' || isAside).toBe(true)
      continue
    }
    const allowed = mode === 'create' ? [restored.get(name)] : [restored.get(name), old.get(name)]
    expect(allowed).toContainEqual(found)
  }
}

async function finish(mode: string): Promise<void> {
  const run = await runCli([...restoreArgs(chroma().url, mode), '--json'])
  // A run that was killed behind its last step was finished, and the names are taken.
  if (run.exitCode === 15) {
    expect(mode).toBe('create')
    expect(documentOf(run)).toMatchObject({ error: { code: 'RESTORE_TARGET_EXISTS' } })
  } else expect(documentOf(run)).not.toHaveProperty('error')
  const now = await serverContents(chroma().url)
  const kept = [...now].filter(([name]) => name.includes('.replaced-'))
  expectSameContents(new Map([...now].filter(([name]) => !name.includes('.replaced-'))), restored)
  for (const [name, content] of kept) {
    const original = name.replace(/\.replaced-.*/, '')
    // The name is a part of the definition, in the first line.
    expect([old.get(original)?.slice(1), restored.get(original)?.slice(1)]).toContainEqual(content.slice(1))
  }
}
