import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli } from '../helpers/cli-process.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { sampleBatch } from '../helpers/records.js'
import { runJson } from '../helpers/outcomes.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` kills more often. */
const KILLS = Number(process.env['CHROMA_OPS_TEST_KILLS'] ?? 3)

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let repo: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-killed-'))
  repo = path.join(folder, 'backups')
  const small = Array.from({ length: 8 }, (_, number) => ({
    ...home,
    name: `collection-${number}`,
    records: sampleBatch({ rows: 60 * number, dimension: 32, first: 1000 * number }),
  }))
  // Large enough for layers.
  const large = { ...home, name: 'large', records: sampleBatch({ rows: 600, dimension: 128 }) }
  await withApi(chroma().url, (api) => seedServer(api, [...small, large]))
  await backUp(chroma().url, repo, '--series', 'main')
})

afterAll(() => rm(folder, { recursive: true }))

test(
  `a backup killed ${KILLS} times: every listed one is whole, and the next run needs no help`,
  async () => {
    const { duration } = await startAndKill('main', Infinity)
    let killed = 0
    for (let round = 0; round < KILLS; round++) {
      // With a parent, whose objects are used again, and without, so that all of them are written.
      const series = round % 2 === 0 ? `series-${round}` : 'main'
      if (series === 'main') await change(round)
      const before = await listedBackups(repo)
      const end = await startAndKill(series, momentOf(round) * duration)
      if (end.signal === 'SIGKILL') killed++
      else expect(end).toMatchObject({ exitCode: 0, signal: null })
      const after = await listedBackups(repo)
      expect(after.filter((id) => !before.includes(id)).length).toBeLessThanOrEqual(1)
      expect(after).toEqual(expect.arrayContaining(before))
      await expectSound(repo)
      await backUp(chroma().url, repo, '--series', series)
      await expectEqual(chroma().url, repo, '--series', series)
    }
    expect(killed).toBeGreaterThan(0)
    const { backup } = await runJson(['backup', 'show', '--repo', repo, '--series', 'main'])
    expect(backup).toMatchObject({ type: 'incremental', requires: ['layers'] })
  },
  60_000 + KILLS * 20_000,
)

/** Replaces and adds a few records, so that the next backup of the series has a layer of its own. */
async function change(round: number): Promise<void> {
  await withApi(chroma().url, async (api) => {
    const name = { tenant: 'default_tenant', database: 'default_database', name: 'large' }
    const { ids, ...rest } = sampleBatch({ rows: 12, dimension: 128, first: 10_000 + 100 * round })
    const replaced = sampleBatch({ rows: 600, dimension: 128 }).ids.slice(40 * round, 40 * round + 8)
    await api.upsert(await api.getCollection(name), { ...rest, ids: [...replaced, ...ids.slice(8)] })
  })
}

/** Early in the first round, then later and later; the last may be after the end. In parts of the duration. */
function momentOf(round: number): number {
  return 1.1 * ((round + Math.random()) / KILLS) ** 2
}

/** Kills a backup so many milliseconds after its first request; it may have ended before. */
async function startAndKill(series: string, afterMs: number) {
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
    const args = ['backup', '--url', proxy.url, '--repo', repo, '--series', series]
    const cli = await startCli(args, { environment: { TMPDIR: folder } })
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
