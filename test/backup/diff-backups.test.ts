import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { createBackup } from '../../src/backup/create-backup.js'
import { diffBackups } from '../../src/backup/diff-backups.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import { silentProgress } from '../../src/core/progress.js'
import type { RecordSource } from '../../src/core/records.js'
import {
  collectionOf,
  jobOf,
  newRepository,
  numberedBatch,
  readEverything,
  sourceOf,
} from '../helpers/backups.js'
import { FaultyStore } from '../helpers/faulty-store.js'
import { anyTimeline, ModelCollection } from '../helpers/timelines.js'

let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true })
})

async function setUp() {
  const store = new FaultyStore()
  const repository = await newRepository(store)
  let night = 0
  const backUp = async (source: RecordSource, overrides: Parameters<typeof jobOf>[2] = {}) => {
    const now = new Date(Date.UTC(2026, 10, 20 + night++, 2))
    const job = {
      now: () => now,
      layers: { leastBytes: 0 },
      allowShrink: true,
      allowEmpty: true,
      ...overrides,
    }
    return (await createBackup(jobOf(repository, source, job))).head
  }
  const diff = (from: BackupHead, to: BackupHead, examples = 5) =>
    diffBackups({ repository, from, to, examples, tempDir, progress: silentProgress })
  return { store, backUp, diff }
}

/** Digest-free: what a person would find by looking at both. */
async function compared(before: RecordSource, after: RecordSource) {
  const [one] = await readEverything(before)
  const [other] = await readEverything(after)
  const rowsOf = (side: typeof one) =>
    new Map(
      (side?.ids ?? []).map((id, row) => [
        id ?? '',
        {
          payload: [side?.documents[row], side?.uris[row], side?.metadatas[row]],
          vector: side?.vectors[row],
        },
      ]),
    )
  const [rows, later] = [rowsOf(one), rowsOf(other)]
  const kept = [...later.keys()].filter((id) => rows.has(id))
  const isEqual = (a: unknown, b: unknown) => {
    try {
      expect(a).toEqual(b)
      return true
    } catch {
      return false
    }
  }
  const payloads = kept.filter((id) => !isEqual(rows.get(id)?.payload, later.get(id)?.payload))
  const vectors = kept.filter((id) => rows.get(id)?.vector !== later.get(id)?.vector)
  return {
    added: [...later.keys()].filter((id) => !rows.has(id)).length,
    removed: [...rows.keys()].filter((id) => !later.has(id)).length,
    changed: new Set([...payloads, ...vectors]).size,
    changedPayloads: payloads.length,
    changedVectors: vectors.length,
  }
}

describe('the difference of two backups', () => {
  test('is what changed, whatever happened', async () => {
    await fc.assert(
      fc.asyncProperty(anyTimeline(4), fc.integer({ min: 1, max: 40 }), async (timeline, records) => {
        const { backUp, diff } = await setUp()
        const model = new ModelCollection('docs', 3, records)
        const states: { readonly head: BackupHead; readonly source: RecordSource }[] = []
        for (const day of timeline) {
          for (const change of day)
            if (change.kind !== 'rename' && change.kind !== 'recreate') model.apply(change)
          const source = sourceOf(model.collection(16))
          states.push({ head: await backUp(source), source })
        }
        const [first, last] = [states[0], states.at(-1)]
        if (first === undefined || last === undefined) throw new Error('no backups')
        for (const [a, b] of [
          [first, last],
          [last, first],
        ] as const) {
          const { collections } = await diff(a.head, b.head)
          expect(collections).toHaveLength(1)
          expect(collections[0]).toMatchObject(await compared(a.source, b.source))
        }
      }),
      { numRuns: 30 },
    )
    expect(await readdir(tempDir)).toEqual([])
  })

  test('names collections that came, went, got another name or are others', async () => {
    const { backUp, diff } = await setUp()
    const docs = collectionOf('docs', [numberedBatch(20)])
    const from = await backUp(
      sourceOf(docs, collectionOf('old', [numberedBatch(3)]), collectionOf('again', [numberedBatch(5)])),
    )
    const to = await backUp(
      sourceOf(
        collectionOf('papers', [numberedBatch(22)], {
          id: docs.definition.id,
          metadata: new Map([['a', 1n]]),
        }),
        collectionOf('new', [numberedBatch(4)]),
        collectionOf('again', [numberedBatch(5)], { id: 'another' }),
      ),
    )
    const report = await diff(from, to, 1)
    expect(report).toMatchObject({ from: from.id, to: to.id, status: 'different' })
    const prefix = 'default_tenant/default_database/'
    const shown = report.collections.map(({ name, status, renamedFrom, recreated, before, after }) => [
      name,
      status,
      renamedFrom,
      recreated,
      before,
      after,
    ])
    expect(shown).toEqual([
      ['again', 'changed', null, true, 5, 5],
      ['new', 'added', null, false, null, 4],
      ['old', 'removed', null, false, 3, null],
      ['papers', 'changed', `${prefix}docs`, false, 20, 22],
    ])
    const papers = report.collections.find(({ name }) => name === 'papers')
    expect(papers).toMatchObject({ added: 2, definition: ['metadata'], examples: { added: ['r20'] } })
  })

  test('of a selection is about the selection', async () => {
    const { backUp, diff } = await setUp()
    const source = sourceOf(collectionOf('a', [numberedBatch(3)]), collectionOf('b', [numberedBatch(4)]))
    const from = await backUp(source)
    const to = await backUp(source, { collections: ['b'] })
    const { status, collections } = await diff(from, to)
    expect(status).toBe('equal')
    expect(collections.map(({ name }) => name)).toEqual(['b'])
  })

  test('reads neither vectors nor documents', async () => {
    const { store, backUp, diff } = await setUp()
    const from = await backUp(sourceOf(collectionOf('wide', [numberedBatch(60, 5000)])))
    const to = await backUp(sourceOf(collectionOf('wide', [numberedBatch(61, 5000)])))
    for (const key of await store.keys('objects/')) {
      const { size } = await store.stat(key)
      if (size > 100_000) await store.delete(key)
    }
    // Noise depends on the number of rows: all vectors changed.
    expect(await diff(from, to)).toMatchObject({ added: 1, changed: 60 })
  })
})
