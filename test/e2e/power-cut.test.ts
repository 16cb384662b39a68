import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { startCli } from '../helpers/cli-process.js'
import {
  afterPowerCut,
  joinHistories,
  parseHistory,
  writeFiles,
  type DiskHistory,
} from '../helpers/disk-history.js'
import { seededRandom } from '../helpers/fault-proxy.js'
import { runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { expectSound, listedBackups } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { seedServer } from '../helpers/server-seeds.js'

/** `npm run test:soak` cuts at every moment. */
const CUTS = Number(process.env['CHROMA_OPS_TEST_CUTS'] ?? 10)
const recorder = pathToFileURL(path.resolve(import.meta.dirname, '../helpers/record-writes.js')).href

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
/** What happened on the disk: first a backup into a new repository, then one that uses its objects. */
let history: DiskHistory
let firstEnded: number

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-power-'))
  await seed('docs', 0)
  const first = await recordBackup()
  await seed('images', 1000)
  const second = await recordBackup()
  history = joinHistories(first, second)
  firstEnded = first.length
})

afterAll(() => rm(folder, { recursive: true }))

async function seed(name: string, first: number): Promise<void> {
  const records = sampleBatch({ rows: 60, dimension: 4, first })
  await withApi(chroma().url, (api) => seedServer(api, [{ ...home, name, records }]))
}

async function recordBackup(): Promise<DiskHistory> {
  const below = path.join(folder, 'root')
  const journal = path.join(folder, 'journal.json')
  await mkdir(below, { recursive: true })
  const args = ['backup', '--init', '--url', chroma().url, '--repo', path.join(below, 'backups')]
  const cli = await startCli(args, {
    environment: {
      TMPDIR: folder,
      NODE_OPTIONS: `--import ${recorder}`,
      RECORD_WRITES_BELOW: below,
      RECORD_WRITES_TO: journal,
    },
  })
  expect(await cli.ended).toMatchObject({ exitCode: 0 })
  return parseHistory(await readFile(journal, 'utf8'))
}

test(
  `the power is cut ${CUTS} times: a backup is whole or not there, and a finished one is always there`,
  async () => {
    const random = seededRandom(CUTS)
    const fates = [() => 0, () => 1, random]
    for (let cut = 0; cut < CUTS; cut++)
      await cutAt(Math.round((history.length * cut) / CUTS), fates[cut % fates.length] ?? random)
    // Right after success was told, with nothing but what is certain.
    await cutAt(firstEnded, () => 0)
    await cutAt(history.length, () => 0)
  },
  60_000 + CUTS * 5_000,
)

async function cutAt(step: number, luck: () => number): Promise<void> {
  const root = path.join(folder, 'cut')
  await writeFiles(root, afterPowerCut(history.slice(0, step), luck))
  const backups = await expectWholeOrAbsent(path.join(root, 'backups'))
  expect(backups).toBeGreaterThanOrEqual(step >= history.length ? 2 : step >= firstEnded ? 1 : 0)
  await rm(root, { recursive: true })
}

/** Returns how many backups there are; the repository can be used in any case. */
async function expectWholeOrAbsent(repo: string): Promise<number> {
  const found = await runCli(['backup', 'list', '--repo', repo, '--json'])
  if (found.exitCode !== 0) expect(found.exitCode).toBe(10)
  else await expectSound(repo)
  const before = found.exitCode === 0 ? await listedBackups(repo) : []
  await runJson(['backup', '--init', '--url', chroma().url, '--repo', repo])
  expect(await listedBackups(repo)).toHaveLength(before.length + 1)
  return before.length
}
