import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'
import fc from 'fast-check'

import { createBackup } from '../../src/backup/create-backup.js'
import { createPhysicalBackup } from '../../src/backup/create-physical-backup.js'
import { applyPrune } from '../../src/backup/prune-repository.js'
import { openRepository, type Repository } from '../../src/backup/repository.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { OpsError } from '../../src/core/errors.js'
import { silentProgress } from '../../src/core/progress.js'
import { StoreError } from '../../src/storage/blob-store.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  newEncryptedRepository,
  newRepository,
  numberedBatch,
  sourceOf,
} from '../helpers/backups.js'
import { makeDirectory } from '../helpers/data-directories.js'
import { DatedStore } from '../helpers/dated-store.js'
import { DAY_MS, pruneJob, wholeBackups } from '../helpers/prunes.js'
import { SharedStore, Shuffler } from '../helpers/shuffled-store.js'

/** `npm run test:soak` tries more orders of kills. */
const RUNS = Number(process.env['CHROMA_OPS_TEST_RESUMES'] ?? 2)

/** From some write on it answers nothing any more, as it is for a run that is killed. */
class MortalStore extends DatedStore {
  writesLeft = Infinity
  sent = 0

  override async put(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    this.#live()
    if (key.startsWith('objects/')) this.sent += bytes.length
    await super.put(key, bytes, signal)
  }

  override async putNew(key: string, bytes: Uint8Array, signal?: AbortSignal) {
    this.#live()
    return super.putNew(key, bytes, signal)
  }

  override async delete(key: string, signal?: AbortSignal) {
    this.#live()
    await super.delete(key, signal)
  }

  #live(): void {
    if (this.writesLeft-- <= 0) throw new StoreError('the run is dead')
  }
}

/** Several objects. */
const BIG = 3000
const big = collectionOf('big', [numberedBatch(BIG, 512)])
const small = Array.from({ length: 9 }, (_, index) =>
  collectionOf(`small-${index}`, [numberedBatch(100 + 40 * index, 32, `s${index}-`)]),
)
const source = sourceOf(...small.slice(0, 4), big, ...small.slice(4))

const repositories = [newRepository, newEncryptedRepository]

async function reference(make: (typeof repositories)[number]) {
  const store = new MortalStore(FIRST_NIGHT)
  const { head, collections } = await createBackup(jobOf(await make(store), source))
  return { sent: store.sent, sizes: head.sizes, digests: collections.map(({ digest }) => digest) }
}

async function killedAfter(store: MortalStore, repository: Repository, writes: number, from = source) {
  store.writesLeft = writes
  await expect(createBackup(jobOf(repository, from))).rejects.toThrow('the run is dead')
  store.writesLeft = Infinity
}

async function expectSound(repository: Repository, result: Awaited<ReturnType<typeof createBackup>>) {
  const report = await verifyBackup({
    repository,
    head: result.head,
    depth: 'records',
    progress: silentProgress,
  })
  expect(report.problems).toEqual([])
}

test.each(repositories)(
  'killed at any writes, again and again, a backup sends each byte once: %p',
  async (make) => {
    const whole = await reference(make)
    const kills = fc.array(fc.integer({ min: 3, max: 9 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(kills, async (writes) => {
        const store = new MortalStore(FIRST_NIGHT)
        const repository = await make(store)
        for (const write of writes) {
          store.writesLeft = write
          await createBackup(jobOf(repository, source)).catch(() => {})
          store.writesLeft = Infinity
          store.pass(60_000)
        }
        const stored = store.sent
        const result = await createBackup(jobOf(repository, source))
        await expectSound(repository, result)
        expect(result.collections.map(({ digest }) => digest)).toEqual(whole.digests)
        // What was collected for an object, and what was on its way, is lost with each kill.
        const again = result.head.sizes.added - (result.resumed?.bytes ?? 0)
        expect(store.sent - stored).toBe(again)
        expect(store.sent).toBeLessThanOrEqual(whole.sent * 1.01 + (make === newRepository ? 0 : 4096))
        expect(result.head.sizes.stored).toBeLessThanOrEqual(whole.sizes.stored + 4096)
        expect(await store.keys('sessions/')).toEqual([])
      }),
      { numRuns: RUNS },
    )
  },
  120_000,
)

test.each(repositories)('files: blocks that a killed run has stored are not sent again: %p', async (make) => {
  // Where the run is killed decides how many of its objects begin behind the new block: seldom none of them.
  for (let attempt = 1; attempt <= 6; attempt++) if ((await shareTakenOver(make)) > 0.25) return
  throw new Error('next to nothing was ever taken over')
})

/** Of what a killed run has stored, after a file was put in front of all others. */
async function shareTakenOver(make: (typeof repositories)[number]): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-resume-'))
  try {
    const directory = path.join(folder, 'data')
    await makeDirectory(directory, { records: 30, saved: true })
    const bytes = randomBytes(40 * 1024 * 1024)
    await writeFile(path.join(directory, 'blob.bin'), bytes)
    const store = new MortalStore(FIRST_NIGHT)
    const repository = await make(store)
    const job = { ...jobOf(repository, source), directory, tempDir: path.join(folder, 'temp') }
    store.writesLeft = 6
    await expect(createPhysicalBackup(job)).rejects.toThrow('the run is dead')
    store.writesLeft = Infinity
    const stored = store.sent
    // A block more, in front of all others.
    await writeFile(path.join(directory, 'a.bin'), bytes.subarray(1, 65_537))
    const { head, resumed } = await createPhysicalBackup(job)
    expect(stored).toBeGreaterThan(15_000_000)
    expect(store.sent - stored).toBe(head.sizes.added - (resumed?.bytes ?? 0))
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.problems).toEqual([])
    return (resumed?.bytes ?? 0) / stored
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('what a killed run has stored is told, and prune leaves it alone once it is used', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const repository = await newRepository(store)
  await killedAfter(store, repository, 7)
  const [dead = ''] = (await store.keys('sessions/')).map((key) =>
    key.slice('sessions/'.length, -'.json'.length),
  )
  const result = await createBackup(jobOf(repository, source))
  expect(result.resumed).toMatchObject({ runs: [dead] })
  expect(result.resumed?.bytes).toBeGreaterThan(0)
  expect(result.head).toMatchObject({ parent: null, type: 'full' })
  // The killed run cannot come back.
  expect(await store.keys('locks/')).toEqual([`locks/${dead}.json`])
  store.pass(30 * DAY_MS)
  await applyPrune(pruneJob(repository, () => store.time, { last: 1 }, { graceMs: 0, purgeNow: true }))
  await expectSound(repository, result)
  const next = await createBackup(jobOf(repository, source, { now: () => store.time }))
  expect(next).toMatchObject({ resumed: null, head: { parent: result.head.id }, unchangedCollections: 10 })
})

test('of a source that changed in between only what is the same is taken over', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const repository = await newRepository(store)
  await killedAfter(store, repository, 7)
  const batch = numberedBatch(BIG, 512)
  batch.embeddings[(BIG - 10) * 512] = 7
  const changed = sourceOf(collectionOf('big', [batch], { id: big.definition.id }), ...small)
  const result = await createBackup(jobOf(repository, changed))
  await expectSound(repository, result)
  expect(result.resumed?.bytes).toBeGreaterThan(4_000_000)
  const other = await createBackup(jobOf(await newRepository(), changed))
  expect(result.collections.map(({ digest }) => digest)).toEqual(
    other.collections.map(({ digest }) => digest),
  )
})

test('an object that was cut off, or is gone, is stored again', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const repository = await newRepository(store)
  await killedAfter(store, repository, 7)
  const [cut = '', gone = ''] = await store.keys('objects/')
  await store.put(cut, (await store.get(cut)).bytes.subarray(1))
  await store.delete(gone)
  await expectSound(repository, await createBackup(jobOf(repository, source)))
})

test('nothing is taken over with resume switched off, from another series, or from a run that lives', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const repository = await newRepository(store)
  await killedAfter(store, repository, 7)
  expect((await createBackup(jobOf(repository, source, { resume: false }))).resumed).toBeNull()
  expect((await createBackup(jobOf(repository, source, { series: 'other' }))).resumed).toBeNull()
  expect(await store.keys('sessions/')).toHaveLength(1)
})

test('a run that was given up is not gone on from', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const repository = await newRepository(store)
  await killedAfter(store, repository, 7)
  const [session = ''] = await store.keys('sessions/')
  await store.put(session.replace('sessions', 'locks'), Buffer.from('{}'))
  const { head, resumed } = await createBackup(jobOf(repository, source))
  expect(resumed).toBeNull()
  // But for what gzip makes of other ids.
  const again = (await reference(newRepository)).sizes.added - head.sizes.added
  expect(Math.abs(again)).toBeLessThan(100)
})

test('a run that fails leaves nothing, but keeps what another one has taken over from it', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const shuffler = new Shuffler(() => 0.5)
  const repository = await newRepository(store)
  // Stopped before it lists what it has stored in order to remove it: its session is gone by then.
  const shared = new SharedStore(store, shuffler, 'failing')
  const failing = await openRepository({ store: shared })
  const controller = new AbortController()
  shared.beforeCall = (method, key) => {
    if (method === 'put' && key.startsWith('objects/')) controller.abort(new Error('enough'))
  }
  const run = createBackup(jobOf(failing, source, { signal: controller.signal }))
  await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
  expect(await store.keys('objects/')).toEqual([])
  expect(await store.keys('sessions/')).toEqual([])
  await createBackup(jobOf(repository, source))
})

test('in random orders of a resumed backup and prunes that give its killed run up nothing that is needed is deleted', async () => {
  const origin = new MortalStore(FIRST_NIGHT)
  const tiny = sourceOf(
    collectionOf('one', [numberedBatch(60, 3, 'a')]),
    collectionOf('two', [numberedBatch(200, 3, 'b')]),
  )
  await killedAfter(origin, await newRepository(origin), 4, tiny)
  expect((await origin.keys('objects/')).length).toBeGreaterThan(0)
  const seen = new Set<string>()
  const all = ['resumed something', 'resumed nothing', 'pruned']
  // Some outcomes are rare.
  const isMissing = () => all.some((outcome) => !seen.has(outcome))
  for (let seed = 0; seed < ORDERS || (isMissing() && seed < 10 * ORDERS); seed++) {
    const store = new DatedStore(FIRST_NIGHT)
    for (const key of await origin.keys()) await store.put(key, (await origin.get(key)).bytes)
    store.pass(2 * DAY_MS)
    const shuffler = new Shuffler(random(seed))
    const as = (user: string) => openRepository({ store: new SharedStore(store, shuffler, user) })
    const now = () => store.time
    const unlimited = { graceMs: 0, purgeNow: true, singleWriter: seed % 3 === 0 }
    const backUp = async () => {
      const { resumed } = await createBackup(jobOf(await as('backup'), tiny, { now }))
      return `resumed ${(resumed?.objects ?? 0) > 0 ? 'something' : 'nothing'}`
    }
    const prune = async (user: string) => {
      await applyPrune(pruneJob(await as(user), now, {}, unlimited))
      return 'pruned'
    }
    const settled = await Promise.allSettled([backUp(), prune('pruner'), prune('other pruner')])
    for (const each of settled) seen.add(each.status === 'fulfilled' ? each.value : codeOf(each.reason))
    const repository = await openRepository({ store })
    await wholeBackups(repository)
    await applyPrune(pruneJob(repository, now, {}, unlimited))
    await wholeBackups(repository)
  }
  expect([...seen]).toEqual(expect.arrayContaining(all))
}, 120_000)

function codeOf(reason: unknown): string {
  if (reason instanceof OpsError) return reason.code
  throw reason
}

test('what a backup goes on from stays, although a prune that saw nobody do so gives it up', async () => {
  const store = new MortalStore(FIRST_NIGHT)
  const tiny = sourceOf(collectionOf('one', [numberedBatch(60, 3, 'a')]))
  await killedAfter(store, await newRepository(store), 4, tiny)
  store.pass(9 * DAY_MS)
  const shuffler = new Shuffler(random(1))
  const prunerStore = new SharedStore(store, shuffler, 'pruner')
  const backupStore = new SharedStore(store, shuffler, 'backup')
  const pruner = await openRepository({ store: prunerStore })
  const backup = await openRepository({ store: backupStore })
  const now = () => store.time
  const stopped = (own: SharedStore, user: string, method: string, key: RegExp) =>
    new Promise<void>((resolve) => {
      own.beforeCall = (called, at) => {
        if (called !== method || !key.test(at)) return
        own.beforeCall = () => {}
        shuffler.freeze(user)
        resolve()
      }
    })
  const givesUp = stopped(prunerStore, 'pruner', 'put', /^locks\/2/)
  const pruned = applyPrune(pruneJob(pruner, now))
  await givesUp
  const commits = stopped(backupStore, 'backup', 'putNew', /^backups/)
  const resumed = createBackup(jobOf(backup, tiny, { now }))
  await commits
  shuffler.thaw('pruner')
  expect((await pruned).givenUp).toHaveLength(1)
  shuffler.thaw('backup')
  expect((await resumed).resumed?.objects).toBeGreaterThan(0)
  await wholeBackups(await openRepository({ store }))
})

const ORDERS = Number(process.env['CHROMA_OPS_TEST_ORDERS'] ?? 60)

function random(seed: number): () => number {
  let state = seed * 0x9e3779b1 + 1
  return () => {
    state = Math.imul(state ^ (state >>> 15), state | 1)
    state ^= state + Math.imul(state ^ (state >>> 7), state | 61)
    return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32
  }
}
