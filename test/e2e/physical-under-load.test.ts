import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { createPhysicalBackup } from '../../src/backup/create-physical-backup.js'
import { serveBackup } from '../../src/backup/serve-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { newRepository } from '../helpers/backups.js'
import { startChroma, testCacheDir } from '../helpers/chroma-server.js'
import { waitUntil } from '../helpers/wait-until.js'
import { versionsOn, WriteLoad, type Versions } from '../helpers/write-load.js'

/** `npm run test:soak` takes 100. */
const ROUNDS = Number(process.env['CHROMA_OPS_TEST_SNAPSHOTS'] ?? 3)
/** A directory that grows without end would make later rounds slower. */
const ROUNDS_ON_A_SERVER = 10

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-load-'))
})
afterAll(() => rm(folder, { recursive: true }))

test(
  `${ROUNDS} physical backups of a server under load: each is what the server had at one moment`,
  async () => {
    for (let round = 0; round < ROUNDS; round += ROUNDS_ON_A_SERVER) {
      const chroma = await startChroma()
      const load = await WriteLoad.start(chroma.url, ['one', 'two', 'three'])
      try {
        for (let again = 0; again < Math.min(ROUNDS_ON_A_SERVER, ROUNDS - round); again++)
          await backUpAndCheck(chroma.directory, load, round + again)
      } finally {
        await load.stop()
        await chroma.stop()
      }
    }
  },
  ROUNDS * 20_000 + 60_000,
)

async function backUpAndCheck(directory: string, load: WriteLoad, round: number): Promise<void> {
  await pause(300 + Math.random() * 700)
  const repository = await newRepository(new LocalStore(path.join(folder, `repository-${round}`)))
  const acknowledged = load.acknowledged
  const { head, problems } = await createPhysicalBackup({
    repository,
    directory,
    tempDir: folder,
    series: 'load',
    tags: {},
    allowEmpty: false,
    allowShrink: false,
    actor: 'tester',
    host: 'testhost',
    toolVersion: '0.1.0',
    now: () => new Date(),
    progress: silentProgress,
  })
  const issued = load.issued
  expect(problems).toEqual([])
  expect(head).toMatchObject({ status: 'complete', consistency: { kind: 'locked' } })
  const served = await serveBackup({
    repository,
    head,
    tempDir: folder,
    cacheDir: testCacheDir,
    allowPartial: false,
    now: () => new Date(),
    progress: silentProgress,
  })
  try {
    const restored = await versionsOn(served.url)
    await waitUntil('what was sent is acknowledged', () => load.acknowledged >= issued)
    const moments = Array.from({ length: issued - acknowledged + 1 }, (_, n) => acknowledged + n)
    const equal = moments.filter((count) => isSame(load.after(count), restored))
    // Fails with the difference to the first moment.
    if (equal.length === 0) expect(plain(restored)).toEqual(plain(load.after(acknowledged)))
  } finally {
    await served.stop()
    await rm(path.join(folder, `repository-${round}`), { recursive: true })
  }
}

function isSame(a: Versions, b: Versions): boolean {
  return [...a].every(([name, records]) => {
    const others = b.get(name)
    return others?.size === records.size && [...records].every(([id, version]) => others.get(id) === version)
  })
}

function plain(versions: Versions): unknown {
  return Object.fromEntries([...versions].map(([name, records]) => [name, Object.fromEntries(records)]))
}
