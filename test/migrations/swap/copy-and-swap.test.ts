import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { spaceOf } from '../../../src/chroma/space.js'
import { pickRows } from '../../../src/core/batch-rows.js'
import { KEEP_UNTIL_KEY, KEPT_KEY } from '../../../src/core/migration-keys.js'
import type { MetadataValue } from '../../../src/core/metadata.js'
import type { RecordBatch } from '../../../src/core/records.js'
import { copyAndSwap } from '../../../src/migrations/swap/copy-and-swap.js'
import { describeSwap } from '../../../src/migrations/swap/describe-swap.js'
import type { StepOutcome } from '../../../src/migrations/step-outcome.js'
import { apiForSuite, home, newCollection } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { expectSameRecords, sampleBatch } from '../../helpers/records.js'
import { dropCollections } from '../../helpers/server-contents.js'
import { simpleCollection, simpleRecords } from '../../helpers/simple-collection.js'
import {
  BetweenRequests,
  MemoryJournal,
  sameRecords,
  stepContext,
  swapStep,
  TextVectors,
} from '../../helpers/swaps.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-swap-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true, force: true })
})
beforeEach(async () => {
  await dropCollections(chroma().url)
})

const docs = { ...home, name: 'docs' }

async function recordsOf(name: string): Promise<RecordBatch> {
  const include = ['documents', 'metadatas', 'uris', 'embeddings'] as const
  return api().get(await api().getCollection({ ...home, name }), { limit: 10_000, offset: 0, include })
}

describe('from l2 to cosine', () => {
  test('every type of a value stays what it was; the old collection is kept', async () => {
    const metadata = new Map([['owner', 'me']])
    const source = await newCollection(api(), { name: 'docs', metadata, hnsw: { space: 'l2' } })
    const values: [string, MetadataValue][] = [
      ['bool', true],
      ['int', 1n],
      ['double', 1],
      ['large', 9007199254740993n],
      ['shifted', 0.1 + 0.2],
      ['list', ['a', 'b']],
      ['text', ''],
    ]
    const sample = sampleBatch({ rows: 300, dimension: 16 })
    const batch = {
      ...sample,
      metadatas: [new Map(values), ...sample.metadatas.slice(1)],
      documents: ['', null, ...sample.documents.slice(2)],
      uris: ['', 'file:///one', ...sample.uris.slice(2)],
    }
    await api().add(source, batch)

    const outcome = await copyAndSwap(
      swapStep('docs', sameRecords('cosine')),
      stepContext(api(), tempDir, { now: () => new Date('2030-01-01T00:00:00Z') }),
    )

    const live = await api().getCollection(docs)
    expect(live.id).not.toBe(source.id)
    expect(spaceOf(live)).toBe('cosine')
    expect(live.metadata).toEqual(metadata)
    const records = await recordsOf('docs')
    expectSameRecords(records, batch, 'cosine')
    records.embeddings.forEach((value, at) =>
      expect(Math.abs(value - (batch.embeddings[at] ?? NaN))).toBeLessThanOrEqual(1e-6),
    )
    expect(outcome).toMatchObject({ records: 300, embedded: 0, notes: [] })
    expect(outcome.gapMs).toBeGreaterThan(0)
    if (outcome.undo?.kind !== 'swapBack') throw new Error('no way back')
    const kept = await api().getCollection(outcome.undo.kept)
    expect(kept.id).toBe(source.id)
    expect(kept.metadata?.get(KEPT_KEY)).toBe('00007')
    expect(kept.metadata?.get(KEEP_UNTIL_KEY)).toBe('2030-01-15T00:00:00.000Z')
    expectSameRecords(await recordsOf(kept.name), batch)
  })

  test('hnsw:space in metadata from old times goes; other spaces and back again', async () => {
    const metadata = new Map([
      ['hnsw:space', 'l2'],
      ['owner', 'me'],
    ])
    await newCollection(api(), { name: 'docs', metadata })
    await api().add(await api().getCollection(docs), simpleRecords(0, 10))
    for (const space of ['cosine', 'ip', 'l2'] as const) {
      await copyAndSwap(swapStep('docs', sameRecords(space)), stepContext(api(), tempDir))
      const live = await api().getCollection(docs)
      expect(spaceOf(live)).toBe(space)
      expect(live.metadata).toEqual(new Map([['owner', 'me']]))
    }
  })
})

test('from cosine, whose vectors come back shifted: nothing is taken for a late write', async () => {
  const hnsw = { space: 'cosine', sync_threshold: 50, batch_size: 20 }
  const source = await newCollection(api(), { name: 'docs', hnsw })
  const batch = sampleBatch({ rows: 230, dimension: 32 })
  await api().add(source, batch)
  // Not the batch: Chroma shows lists of deleted collections on new records.
  const before = await recordsOf('docs')
  const { notes } = await copyAndSwap(swapStep('docs', sameRecords('l2')), stepContext(api(), tempDir))
  expect(notes).toEqual([])
  expectSameRecords(await recordsOf('docs'), before, 'cosine')
})

describe('what applications write while records are copied', () => {
  test('added, changed, deleted, and a vector alone: nothing is lost', async () => {
    const source = await simpleCollection(api(), 'docs', 200)
    const shadowAdds: string[] = []
    const between = new BetweenRequests(api().transport, async ({ path: where }) => {
      if (!where.endsWith('/add')) return
      shadowAdds.push(where)
      // After the first batch is written, and before the second.
      if (shadowAdds.length !== 3) return
      await api().add(source, simpleRecords(500, 5))
      await api().upsert(source, { ...simpleRecords(0, 2), documents: ['new 0', 'new 1'] })
      await api().deleteRecords(source, ['id2', 'id3', 'id199'])
      await api().upsert(source, { ...simpleRecords(10, 1), embeddings: Float32Array.of(9, 9, 9) })
    })

    const { records, notes } = await copyAndSwap(
      swapStep('docs', sameRecords('cosine')),
      stepContext(new ChromaApi(between), tempDir),
    )

    // The copy has caught up with documents; a vector alone is seen by the look after the swap.
    expect(notes).toEqual([expect.stringMatching(/^1 late write to/)])
    expect(shadowAdds.length).toBeGreaterThan(3)
    expect(records).toBe(202)
    const wanted = await api().get((await keptOf()) ?? source, {
      limit: 1000,
      offset: 0,
      include: ['documents', 'metadatas', 'uris', 'embeddings'],
    })
    expectSameRecords(byId(await recordsOf('docs')), byId(wanted), 'cosine')
  })

  test('records that the map leaves out stay out', async () => {
    await simpleCollection(api(), 'docs', 60)
    const even = sameRecords(null, {
      hash: 'even',
      map: async (batch) =>
        pickRows(
          batch,
          batch.ids.flatMap((id, row) => (Number(id.slice(2)) % 2 === 0 ? [row] : [])),
        ),
    })
    const { records } = await copyAndSwap(swapStep('docs', even), stepContext(api(), tempDir))
    expect(records).toBe(30)
    expect((await recordsOf('docs')).ids).toEqual(
      Array.from({ length: 30 }, (_, number) => `id${2 * number}`),
    )
  })
})

describe('what is not as it must be', () => {
  test('a copy that differs is told of, and the collection stays', async () => {
    const source = await simpleCollection(api(), 'docs', 60)
    let spoilt = false
    const journal = new MemoryJournal()
    journal.onPut = async (text) => {
      const shadow = (await api().listCollections(home.tenant, home.database)).find(({ name }) =>
        name.includes('.migrate-'),
      )
      if (!text.includes('CAUGHT_UP') || shadow === undefined) return
      await api().upsert(shadow, { ...simpleRecords(7, 1), documents: ['spoilt'] })
      spoilt = true
    }
    // The sample is another record.
    const step = swapStep('docs', sameRecords('cosine'), { verify: { sample: 1 } })
    const run = copyAndSwap(step, stepContext(api(), tempDir, { journal }))
    await expect(run).rejects.toMatchObject({
      code: 'MIGRATION_DIFFERS',
      exitCode: 13,
      message: expect.stringMatching(/id7: document is "spoilt" instead of "document 7".*docs\.migrate-/),
    })
    expect(spoilt).toBe(true)
    expect((await api().getCollection(docs)).id).toBe(source.id)
    expect(describeSwap(journal.read())).toMatchObject({ phase: 'CAUGHT_UP', live: 'docs' })
  })

  test('queries that find something else are told of, and the collection stays', async () => {
    const source = await simpleCollection(api(), 'docs', 60)
    const verify = { recall: { queries: 20, k: 5, min: 0.9 } }
    const run = async (map: Parameters<typeof swapStep>[1]): Promise<StepOutcome> =>
      copyAndSwap(swapStep('docs', map, { verify }), stepContext(api(), tempDir))
    await expect(run(new TextVectors(4).map())).rejects.toMatchObject({
      code: 'RECALL_TOO_LOW',
      exitCode: 15,
    })
    expect((await api().getCollection(docs)).id).toBe(source.id)
    // Another map begins anew, and the shadow of the first goes.
    await run(sameRecords(null))
    const names = (await api().listCollections(home.tenant, home.database)).map(({ name }) => name)
    expect(names.filter((name) => name.includes('.migrate-'))).toEqual([])
  })

  test('a collection that is not there', async () => {
    await expect(
      copyAndSwap(swapStep('docs', sameRecords('cosine')), stepContext(api(), tempDir)),
    ).rejects.toMatchObject({ exitCode: 10 })
  })
})

test('the server is killed in the middle: the same run goes on when it is back', async () => {
  await simpleCollection(api(), 'docs', 200)
  let adds = 0
  const between = new BetweenRequests(api().transport, async ({ path: where }) => {
    if (!where.endsWith('/add') || ++adds !== 3) return
    await chroma().kill()
    void chroma().restart()
  })
  api().transport.useBatchRetries()
  const { records } = await copyAndSwap(
    swapStep('docs', sameRecords('cosine')),
    stepContext(new ChromaApi(between), tempDir),
  )
  expect(records).toBe(200)
  expect(byId(await recordsOf('docs')).documents).toEqual(byId(simpleRecords(0, 200)).documents)
}, 120_000)

function byId(batch: RecordBatch): RecordBatch {
  const rows = batch.ids.map((_, row) => row)
  return pickRows(
    batch,
    rows.sort((a, b) => ((batch.ids[a] ?? '') < (batch.ids[b] ?? '') ? -1 : 1)),
  )
}

async function keptOf() {
  const all = await api().listCollections(home.tenant, home.database)
  return all.find(({ name }) => name.includes('.old-'))
}
