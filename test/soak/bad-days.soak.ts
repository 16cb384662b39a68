import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli, type EndedProcess } from '../helpers/cli-process.js'
import { seededRandom } from '../helpers/fault-proxy.js'
import { runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectEqual, expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { dropCollections, expectSameContents, serverContents } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

/** Each begins with some changes and a backup to which something happens. */
const DAYS = Number(process.env['CHROMA_OPS_TEST_BAD_DAYS'] ?? 5)
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
const docs = { ...home, name: 'docs' }

const source = chromaForSuite()
const target = chromaForSuite()
const random = seededRandom(DAYS)
let folder: string
let repo: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-days-'))
  repo = path.join(folder, 'backups')
  await withApi(source().url, (api) =>
    seedServer(api, [
      { ...docs, records: sampleBatch({ rows: 3000, dimension: 48 }) },
      { ...home, name: 'images', records: sampleBatch({ rows: 500, dimension: 96, first: 50_000 }) },
    ]),
  )
  await backUp(source().url, repo)
})

afterAll(() => rm(folder, { recursive: true }))

test(`${DAYS} bad days: no backup is lost, none is wrong, and each day ends with a good one`, async () => {
  for (let day = 1; day <= DAYS; day++) {
    await change(day)
    const before = await listedBackups(repo)
    await misadventure()
    expect(await listedBackups(repo)).toEqual(expect.arrayContaining(before))
    await backUp(source().url, repo, '--allow-shrink')
    await expectEqual(source().url, repo)
    if (day % 10 === 0) await expectSound(repo)
    if (day % 5 === 0) await restoreAndCompare()
  }
})

async function change(day: number): Promise<void> {
  await withApi(source().url, async (api) => {
    const collection = await api.getCollection(docs)
    await api.add(collection, sampleBatch({ rows: 40, dimension: 48, first: 100_000 + day * 40 }))
    const first = Math.floor(random() * 2900)
    await api.upsert(collection, sampleBatch({ rows: 20, dimension: 48, first }))
    const last = sampleBatch({ rows: 10, dimension: 48, first: Math.floor(random() * 2900) })
    await api.deleteRecords(collection, last.ids)
  })
}

/** Something that may happen to a backup; whether it ends well or not, it must end cleanly. */
async function misadventure(): Promise<void> {
  const dice = random()
  const first = startCli(['backup', '--url', source().url, '--repo', repo, '--json'], {
    environment: { TMPDIR: folder },
  })
  await pause(200 + random() * 1500)
  if (dice < 0.4) (await first).kill('SIGKILL')
  else if (dice < 0.6) (await first).kill('SIGTERM')
  else if (dice < 0.8) {
    await source().kill()
    await source().restart()
  } else expectEnd(await (await startCli(['backup', '--url', source().url, '--repo', repo, '--json'])).ended)
  expectEnd(await (await first).ended)
}

function expectEnd({ exitCode, signal, stdout }: EndedProcess): void {
  if (signal === 'SIGKILL') return
  expect([0, 12, 143]).toContain(exitCode)
  expect(JSON.parse(stdout)).toHaveProperty(exitCode === 0 ? 'backup' : 'error')
}

async function restoreAndCompare(): Promise<void> {
  await dropCollections(target().url)
  expect(await runJson(['restore', 'latest', '--repo', repo, '--url', target().url])).toMatchObject({
    equal: true,
  })
  expectSameContents(await serverContents(target().url), await serverContents(source().url))
}
