import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import type { CollectionDefinition } from '../../../src/core/records.js'
import { completeSwap, inspectKept } from '../../../src/migrations/swap/complete-swap.js'
import { copyAndSwap } from '../../../src/migrations/swap/copy-and-swap.js'
import { swapBack, writtenSinceCutover, type SwapBackUndo } from '../../../src/migrations/swap/swap-back.js'
import type { RecordMap } from '../../../src/migrations/record-map.js'
import { apiForSuite, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { dropCollections } from '../../helpers/server-contents.js'
import { simpleCollection, simpleRecords } from '../../helpers/simple-collection.js'
import { sameRecords, stepContext, swapStep, TextVectors } from '../../helpers/swaps.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-swap-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true, force: true })
})
let source: CollectionDefinition
beforeEach(async () => {
  await dropCollections(chroma().url)
  source = await simpleCollection(api(), 'docs', 30)
})

const docs = { ...home, name: 'docs' }

async function applied(map: RecordMap): Promise<SwapBackUndo> {
  const { undo } = await copyAndSwap(swapStep('docs', map), stepContext(api(), tempDir))
  if (undo?.kind !== 'swapBack') throw new Error('no way back')
  return undo
}

/** Two records added, one changed, one deleted. */
async function writeSince(dimension = 3): Promise<void> {
  const live = await api().getCollection(docs)
  const more = simpleRecords(100, 2)
  const embeddings = new Float32Array(2 * dimension).fill(0.5)
  await api().add(live, { ...more, dimension, embeddings })
  const changed = { ...simpleRecords(4, 1), dimension, embeddings: new Float32Array(dimension).fill(1) }
  await api().upsert(live, { ...changed, documents: ['changed'] })
  await api().deleteRecords(live, ['id9'])
}

describe('down', () => {
  test('without writes since: the old collection is back, and nothing else is left', async () => {
    const undo = await applied(sameRecords('cosine'))
    expect(await writtenSinceCutover(undo, stepContext(api(), tempDir))).toEqual({
      added: 0,
      changed: 0,
      deleted: 0,
      exact: true,
    })

    await swapBack(undo, stepContext(api(), tempDir), { acceptDataLoss: false, carry: false })

    const all = await api().listCollections(home.tenant, home.database)
    expect(all.map(({ id, name, metadata }) => ({ id, name, metadata }))).toEqual([
      { id: source.id, name: 'docs', metadata: null },
    ])
  })

  test('up, down and up again leave the same data', async () => {
    await swapBack(await applied(sameRecords('cosine')), stepContext(api(), tempDir), {
      acceptDataLoss: false,
      carry: true,
    })
    await applied(sameRecords('cosine'))
    const live = await api().getCollection(docs)
    const { ids, documents } = await api().get(live, { limit: 100, offset: 0, include: ['documents'] })
    expect([ids, documents]).toEqual([simpleRecords(0, 30).ids, simpleRecords(0, 30).documents])
  })

  test('what was written since is carried back where vectors are what they were', async () => {
    const undo = await applied(sameRecords('cosine'))
    await writeSince()

    const { notes } = await swapBack(undo, stepContext(api(), tempDir), {
      acceptDataLoss: false,
      carry: true,
    })

    expect(notes).toEqual(['4 records written since the cutover were carried back into docs'])
    const live = await api().getCollection(docs)
    expect(live.id).toBe(source.id)
    expect(await api().count(live)).toBe(31)
    const found = await api().get(live, { ids: ['id4', 'id9', 'id101'], include: ['documents'] })
    expect(new Map(found.ids.map((id, row) => [id, found.documents[row]]))).toEqual(
      new Map([
        ['id4', 'changed'],
        ['id101', 'document 101'],
      ]),
    )
    expect(await api().listCollections(home.tenant, home.database)).toHaveLength(1)
  })

  test('with vectors of another model it stops, counts them and changes nothing', async () => {
    const undo = await applied(new TextVectors(4).map())
    await writeSince(4)
    const before = await api().listCollections(home.tenant, home.database)

    await expect(
      swapBack(undo, stepContext(api(), tempDir), { acceptDataLoss: false, carry: true }),
    ).rejects.toMatchObject({
      code: 'DATA_LOSS',
      exitCode: 15,
      message:
        '4 records of docs were written since the cutover (2 added, 1 changed, 1 deleted) and would be lost',
      hint: expect.stringContaining('chroma-ops migrate down --accept-data-loss'),
    })

    expect(await api().listCollections(home.tenant, home.database)).toEqual(before)
  })

  test('… and when that is accepted, they stay in the new collection, which is kept', async () => {
    const undo = await applied(new TextVectors(4).map())
    await writeSince(4)

    const { notes } = await swapBack(undo, stepContext(api(), tempDir), { acceptDataLoss: true, carry: true })

    const name = `docs.reverted-${undo.live.id.slice(0, 8)}`
    expect(notes).toEqual([`4 records written since the cutover are not in docs: kept in ${name}`])
    expect((await api().getCollection(docs)).id).toBe(source.id)
    expect(await api().count(await api().getCollection({ ...docs, name }))).toBe(31)
  })
})

describe('complete', () => {
  test('drops the kept collection and what belongs to it', async () => {
    const undo = await applied(sameRecords('cosine'))
    expect(await inspectKept(undo, stepContext(api(), tempDir))).toEqual({
      exists: true,
      records: 30,
      writtenSince: 0,
    })

    await completeSwap(undo, stepContext(api(), tempDir), { acceptDataLoss: false })

    const [only, ...others] = await api().listCollections(home.tenant, home.database)
    expect(others).toEqual([])
    expect(only?.id).toBe(undo.live.id)
    expect(await inspectKept(undo, stepContext(api(), tempDir))).toMatchObject({ exists: false })
  })

  test('refuses when clients still write to it', async () => {
    const undo = await applied(sameRecords('cosine'))
    await api().add(undo.kept, simpleRecords(100, 2))

    await expect(
      completeSwap(undo, stepContext(api(), tempDir), { acceptDataLoss: false }),
    ).rejects.toMatchObject({ code: 'KEPT_WRITTEN_TO', exitCode: 15 })
    await completeSwap(undo, stepContext(api(), tempDir), { acceptDataLoss: true })
    expect(await api().findCollection(undo.kept)).toBeUndefined()
  })

  test('keepOld 0 drops it at once, and there is no way back', async () => {
    const { undo } = await copyAndSwap(
      swapStep('docs', sameRecords('cosine'), { keepOld: '0' }),
      stepContext(api(), tempDir),
    )
    expect(undo).toBeNull()
    expect(await api().listCollections(home.tenant, home.database)).toHaveLength(1)
  })
})
