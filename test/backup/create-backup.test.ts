import { describe, expect, test } from '@jest/globals'

import { BackupSource } from '../../src/backup/backup-source.js'
import { readCollections } from '../../src/backup/contents.js'
import { createBackup } from '../../src/backup/create-backup.js'
import { listBackups } from '../../src/backup/list-backups.js'
import { resolveBackup } from '../../src/backup/resolve-backup.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { AbortedError, IntegrityError } from '../../src/core/errors.js'
import { silentProgress } from '../../src/core/progress.js'
import { StoreFullError, StoreUnreachableError } from '../../src/storage/blob-store.js'
import {
  collectionOf,
  FIRST_NIGHT,
  jobOf,
  newRepository,
  numberedBatch,
  readEverything,
  recordedProgress,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore } from '../helpers/faulty-store.js'
import { FaultySource } from '../helpers/faulty-source.js'

const docs = collectionOf('docs', [numberedBatch(30, 3, 'd')])
const images = collectionOf('images', [numberedBatch(20, 5, 'i')])

async function setUp() {
  const store = new FaultyStore()
  return { store, repository: await newRepository(store) }
}

test('the manifest says what was backed up, from where, by whom and how well', async () => {
  const { repository } = await setUp()
  const times = ['2026-11-20T02:00:00Z', '2026-11-20T02:00:07.5Z'].map((time) => new Date(time))
  const { head, exitCode } = await createBackup(
    jobOf(repository, sourceOf(docs, images), {
      tags: { ticket: '4711' },
      target: { url: 'https://chroma.example.com', fingerprint: { version: '1.5.9', evidence: 'openapi' } },
      now: () => times.shift() ?? new Date('2026-11-20T02:00:09Z'),
    }),
  )
  expect(exitCode).toBe(0)
  expect(head).toMatchObject({
    id: expect.stringMatching(/^20261120T020000Z-docs-[0-9a-z]{4}$/),
    series: 'docs',
    type: 'full',
    status: 'complete',
    created: '2026-11-20T02:00:00.000Z',
    parent: null,
    target: { url: 'https://chroma.example.com', fingerprint: { version: '1.5.9', evidence: 'openapi' } },
    scope: { tenants: ['default_tenant'], databases: null, collections: [], exclude: [] },
    tool: { name: 'chroma-ops', version: '0.1.0' },
    host: 'testhost',
    actor: 'tester',
    tags: { ticket: '4711' },
    counts: { collections: 2, failedCollections: 0, records: 50, missingVectors: 0 },
    consistency: { kind: 'quiesced', added: 0, removed: 0, missing: 0 },
  })
  expect(head.durationMs).toBeGreaterThan(1000)
  expect(await resolveBackup(repository, 'latest')).toEqual(head)
  expect((await readCollections(repository, head)).map(({ name, records }) => [name, records])).toEqual([
    ['docs', 30],
    ['images', 20],
  ])
})

test('sizes are those of the store', async () => {
  const { store, repository } = await setUp()
  const { head } = await createBackup(jobOf(repository, sourceOf(docs, images)))
  const sizes = await Promise.all(
    (await store.keys('objects/')).map(async (key) => (await store.stat(key)).size),
  )
  const total = sizes.reduce((sum, size) => sum + size, 0)
  expect(head.sizes).toMatchObject({ stored: total, added: total })
})

test('a running backup has a session record, and leaves none behind', async () => {
  const { store, repository } = await setUp()
  let during: string[] = []
  store.beforePut = (key) => {
    if (key.startsWith('backups/')) void store.keys('sessions/').then((keys) => (during = keys))
  }
  const { head } = await createBackup(jobOf(repository, sourceOf(docs)))
  expect(during).toEqual([`sessions/${head.id}.json`])
  expect(await store.keys('sessions/')).toEqual([])
})

test('the manifest is written after everything else', async () => {
  const { store, repository } = await setUp()
  const order: string[] = []
  store.beforePut = (key) => order.push(key)
  const { head } = await createBackup(jobOf(repository, sourceOf(docs, images)))
  expect(order.at(-1)).toBe(`backups/${head.id}.json`)
  expect(order[0]).toBe(`sessions/${head.id}.json`)
})

describe('when it fails', () => {
  test('a full disk at any moment leaves no new backup, no objects, and the old backup as it was', async () => {
    const { store, repository } = await setUp()
    const old = await createBackup(jobOf(repository, sourceOf(docs)))
    const before = await store.keys()
    const source = sourceOf(collectionOf('docs', [numberedBatch(3000, 300, 'n')]), images)
    const needed = await bytesNeeded(source)
    const failures = 12
    for (let step = 0; step < failures; step++) {
      store.room = Math.floor((needed * step) / failures)
      const failing = createBackup(jobOf(repository, source, { now: () => new Date('2026-11-21T02:00:00Z') }))
      await expect(failing).rejects.toMatchObject({ code: 'STORE_FULL' })
      expect(await store.keys()).toEqual(before)
    }
    store.room = Infinity
    expect(await resolveBackup(repository, 'latest')).toEqual(old.head)
    const report = await verifyBackup({ repository, head: old.head, progress: silentProgress })
    expect(report.status).toBe('ok')
    await createBackup(jobOf(repository, source, { now: () => new Date('2026-11-21T02:00:00Z') }))
  })

  async function bytesNeeded(source: ReturnType<typeof sourceOf>): Promise<number> {
    const { repository } = await setUp()
    const { head } = await createBackup(jobOf(repository, source))
    return head.sizes.added
  }

  test('an abort in the middle leaves nothing but the old backups', async () => {
    const { store, repository } = await setUp()
    await createBackup(jobOf(repository, sourceOf(docs)))
    const before = await store.keys()
    const abort = new AbortController()
    store.beforePut = (key) => {
      if (key.startsWith('objects/')) abort.abort(new AbortedError('SIGINT'))
    }
    const source = sourceOf(collectionOf('docs', [numberedBatch(3000, 700, 'n')]), images)
    const stopped = createBackup(jobOf(repository, source, { signal: abort.signal }))
    await expect(stopped).rejects.toMatchObject({ exitCode: 130 })
    expect(await store.keys()).toEqual(before)
  })

  test('a store that breaks stops the whole backup, not one collection', async () => {
    const { store, repository } = await setUp()
    store.beforePut = (key) => {
      if (key.startsWith('objects/')) throw new StoreUnreachableError('connection reset')
    }
    await expect(createBackup(jobOf(repository, sourceOf(docs, images)))).rejects.toMatchObject({
      exitCode: 12,
    })
    expect(await store.keys('backups/')).toEqual([])
  })

  test('a full disk ends the reading of the source', async () => {
    const { store, repository } = await setUp()
    const names = Array.from({ length: 20 }, (_, number) => `wide-${10 + number}`)
    const batch = numberedBatch(1, 550_000, 'w')
    const source = new FaultySource(names.map((name) => collectionOf(name, [batch])))
    const opened = new Set<string>()
    source.beforeOpen = ({ name }) => opened.add(name)
    store.beforePut = (key) => {
      if (key.startsWith('objects/')) throw new StoreFullError('no space left')
    }
    await expect(createBackup(jobOf(repository, source))).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(opened.size).toBeLessThan(15)
  })

  test('a bug is not taken for a damaged collection', async () => {
    const { repository } = await setUp()
    const source = new FaultySource([docs], { docs: new TypeError('undefined is not a function') })
    await expect(createBackup(jobOf(repository, source))).rejects.toThrow(TypeError)
  })
})

describe('a partial backup', () => {
  test('names the collection that could not be read; the others are whole', async () => {
    const { repository } = await setUp()
    await createBackup(jobOf(repository, sourceOf(docs, images)))
    const source = new FaultySource([docs, images], { docs: new IntegrityError('the index is broken') })
    const progress = recordedProgress()
    const { head, collections, exitCode } = await createBackup(
      jobOf(repository, source, { progress, now: () => new Date('2026-11-21T02:00:00Z') }),
    )
    expect(exitCode).toBe(3)
    expect(head).toMatchObject({
      status: 'partial',
      counts: { collections: 2, failedCollections: 1, records: 20 },
    })
    expect(collections[0]).toMatchObject({
      name: 'docs',
      status: 'failed',
      error: { code: 'INTEGRITY', message: 'the index is broken' },
      catalogue: [],
    })
    expect(progress.warnings).toMatchObject([{ code: 'INTEGRITY', message: expect.stringContaining('docs') }])
    expect(
      (await readEverything(new BackupSource(repository, head))).map(({ definition }) => definition.name),
    ).toEqual(['images'])
    expect(await verifyBackup({ repository, head, progress: silentProgress })).toMatchObject({ status: 'ok' })
    // Never latest.
    expect((await resolveBackup(repository, 'latest')).created).toBe(FIRST_NIGHT.toISOString())
    expect(await resolveBackup(repository, head.id)).toEqual(head)
  })

  test('exits 4 when vectors are lost; the records without them are there', async () => {
    const { repository } = await setUp()
    const batch = { ...numberedBatch(10, 2, 'x'), missingEmbeddings: [0, 1, 2, 7] }
    const source = sourceOf(collectionOf('lost', [batch]), docs)
    const { head, collections, exitCode } = await createBackup(jobOf(repository, source))
    expect(exitCode).toBe(4)
    expect(head).toMatchObject({ status: 'partial', counts: { missingVectors: 4, records: 40 } })
    expect(collections.find(({ name }) => name === 'lost')).toMatchObject({
      status: 'incomplete',
      records: 10,
      missingVectors: 4,
      error: { code: 'VECTORS_LOST' },
    })
    const [, lost] = await readEverything(new BackupSource(repository, head))
    expect(lost?.missing).toEqual([true, true, true, false, false, false, false, true, false, false])
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.status).toBe('ok')
  })

  test('knows lost vectors in every row group', async () => {
    const { repository } = await setUp()
    // So wide that each row is a row group.
    const batch = { ...numberedBatch(4, 550_000, 'w'), missingEmbeddings: [1, 3] }
    const { head } = await createBackup(jobOf(repository, sourceOf(collectionOf('lost', [batch]))))
    const [lost] = await readEverything(new BackupSource(repository, head))
    expect(lost?.missing).toEqual([false, true, false, true])
  })

  test('a collection whose vectors are all lost keeps its dimension', async () => {
    const { repository } = await setUp()
    const batch = {
      ...numberedBatch(3, 0, 'x'),
      missingEmbeddings: [0, 1, 2],
    }
    const { head } = await createBackup(
      jobOf(repository, sourceOf(collectionOf('lost', [batch], { dimension: 6 }))),
    )
    const [lost] = await readEverything(new BackupSource(repository, head))
    expect(lost).toMatchObject({ ids: batch.ids, missing: [true, true, true], definition: { dimension: 6 } })
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.status).toBe('ok')
  })
})

describe('a source that changes meanwhile', () => {
  test('counts what was added and removed', async () => {
    const { repository } = await setUp()
    const source = new FaultySource([docs, images], {}, { added: 2, removed: 1, missing: 1 })
    const { head } = await createBackup(jobOf(repository, source))
    expect(head.consistency).toMatchObject({ kind: 'fuzzy', added: 4, removed: 2, missing: 2 })
    expect(head.status).toBe('complete')
  })

  test('a collection that was dropped is told and is no failure; one that was created is counted', async () => {
    const { repository } = await setUp()
    const source = new FaultySource([docs, images])
    source.beforeOpen = ({ name }) => {
      if (name !== 'docs') return
      source.drop('images')
      source.create(collectionOf('new', []))
    }
    const progress = recordedProgress()
    const { head, exitCode } = await createBackup(jobOf(repository, source, { progress }))
    expect(exitCode).toBe(0)
    expect(head).toMatchObject({
      status: 'complete',
      counts: { collections: 1 },
      consistency: { kind: 'fuzzy', collectionsAdded: 1, collectionsRemoved: 1 },
    })
    expect(progress.warnings).toMatchObject([{ code: 'COLLECTION_REMOVED' }])
  })
})

describe('guards', () => {
  test('a source without collections, or without records, is refused unless allowed', async () => {
    const { store, repository } = await setUp()
    for (const source of [sourceOf(), sourceOf(collectionOf('empty', []))]) {
      await expect(createBackup(jobOf(repository, source))).rejects.toMatchObject({
        code: 'SOURCE_EMPTY',
        exitCode: 15,
        hint: expect.stringContaining('--allow-empty'),
      })
      expect(await store.keys('backups/')).toEqual([])
      const { head } = await createBackup(jobOf(repository, source, { allowEmpty: true, series: 'empty' }))
      expect(await readEverything(new BackupSource(repository, head))).toEqual(await readEverything(source))
      await store.delete(`backups/${head.id}.json`)
    }
  })

  test('a source that shrank by more than half is refused unless allowed', async () => {
    const { repository } = await setUp()
    await createBackup(jobOf(repository, sourceOf(collectionOf('docs', [numberedBatch(100)]))))
    const half = sourceOf(collectionOf('docs', [numberedBatch(50)]))
    const less = sourceOf(collectionOf('docs', [numberedBatch(49)]))
    await expect(createBackup(jobOf(repository, less))).rejects.toMatchObject({
      code: 'SOURCE_SHRUNK',
      exitCode: 15,
      hint: expect.stringContaining('--allow-shrink'),
    })
    await createBackup(jobOf(repository, less, { collections: ['docs'] }))
    await createBackup(jobOf(repository, less, { series: 'another' }))
    await createBackup(jobOf(repository, half))
    await createBackup(
      jobOf(repository, sourceOf(collectionOf('docs', [numberedBatch(9)])), { allowShrink: true }),
    )
  })

  test.each([
    [{ scope: { tenants: ['a'], databases: null } }, 'tenant b'],
    [{ scope: { tenants: ['a', 'b'], databases: ['x'] } }, 'all databases but x'],
    [{ exclude: ['docs'] }, 'docs'],
  ])('a scope that leaves out what the series held is refused: %j', async (narrower, lacking) => {
    const { store, repository } = await setUp()
    const wide = { scope: { tenants: ['a', 'b'], databases: null } }
    const before = await createBackup(jobOf(repository, sourceOf(docs, images), wide))
    const narrow = { ...wide, ...narrower }
    await expect(createBackup(jobOf(repository, sourceOf(docs, images), narrow))).rejects.toMatchObject({
      code: 'SCOPE_SHRUNK',
      exitCode: 15,
      message: expect.stringContaining(`${lacking}, which ${before.head.id} holds`),
      hint: expect.stringContaining('--series'),
    })
    expect(await store.keys('backups/')).toHaveLength(1)
    await createBackup(jobOf(repository, sourceOf(docs, images), { ...narrow, series: 'narrow' }))
    await createBackup(jobOf(repository, sourceOf(docs, images), { ...narrow, allowShrink: true }))
    await createBackup(jobOf(repository, sourceOf(docs, images), wide))
  })

  test('a damaged collection makes the backup partial, not refused as shrunk', async () => {
    const { repository } = await setUp()
    await createBackup(jobOf(repository, sourceOf(docs, images)))
    const source = new FaultySource([docs, images], { docs: new IntegrityError('broken') })
    expect((await createBackup(jobOf(repository, source))).exitCode).toBe(3)
  })
})

describe('a selection', () => {
  test('patterns choose, and a pattern that matches nothing is 10 with the known names', async () => {
    const { repository } = await setUp()
    const source = sourceOf(docs, images)
    const chosen = await createBackup(jobOf(repository, source, { collections: ['im*'] }))
    expect(chosen.head).toMatchObject({ type: 'collection', counts: { collections: 1 } })
    expect(chosen.collections.map(({ name }) => name)).toEqual(['images'])
    const others = await createBackup(jobOf(repository, source, { exclude: ['im*'], series: 'others' }))
    expect(others.head).toMatchObject({ type: 'full', scope: { exclude: ['im*'] } })
    expect(others.collections.map(({ name }) => name)).toEqual(['docs'])
    await expect(
      createBackup(jobOf(repository, source, { collections: ['docs', 'nope'] })),
    ).rejects.toMatchObject({
      code: 'COLLECTION_NOT_FOUND',
      exitCode: 10,
      message: expect.stringContaining('nope'),
      hint: expect.stringContaining('default_tenant/default_database/docs'),
    })
  })
})

test('ten backups at once, each of its own series, are all whole', async () => {
  const { repository } = await setUp()
  const sources = [sourceOf(docs, images), sourceOf(collectionOf('docs', [numberedBatch(2000, 100, 'z')]))]
  const summaries = await Promise.all(
    Array.from({ length: 10 }, (_, run) => {
      const source = sources[run % 2]
      if (source === undefined) throw new Error('no source')
      return createBackup(jobOf(repository, source, { series: `s${run}` })).then(({ head }) => ({
        head,
        source,
      }))
    }),
  )
  expect(await listBackups(repository)).toHaveLength(10)
  for (const { head, source } of summaries) {
    expect(await readEverything(new BackupSource(repository, head))).toEqual(await readEverything(source))
  }
})

test('a clock that runs behind the newest backup is warned of', async () => {
  const { repository } = await setUp()
  await createBackup(jobOf(repository, sourceOf(docs)))
  const progress = recordedProgress()
  await createBackup(
    jobOf(repository, sourceOf(docs), { progress, now: () => new Date('2026-11-19T02:00:00Z') }),
  )
  expect(progress.warnings).toMatchObject([{ code: 'CLOCK_BEHIND' }])
})
