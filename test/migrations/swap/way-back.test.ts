import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import type { CollectionDefinition } from '../../../src/core/records.js'
import { completeSwap, inspectKept } from '../../../src/migrations/swap/complete-swap.js'
import { copyAndSwap } from '../../../src/migrations/swap/copy-and-swap.js'
import { swapBack, writtenSinceCutover, type SwapBackUndo } from '../../../src/migrations/swap/swap-back.js'
import type { RecordMap } from '../../../src/migrations/record-map.js'
import { apiForSuite, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
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

  test('what is written while it is carried back counts: the last word of each record is in the old collection', async () => {
    const undo = await applied(sameRecords('cosine'))
    await writeSince()
    const live = await api().getCollection(docs)
    let renames = 0
    // Between the look before the swap and the one behind it: changed once more, deleted, written anew.
    const transport = new BetweenRequests(api().transport, async ({ method }) => {
      if (method !== 'PUT' || ++renames !== 2) return
      await api().upsert(live, { ...simpleRecords(4, 1), documents: ['changed again'] })
      await api().deleteRecords(live, ['id100'])
      await api().upsert(live, { ...simpleRecords(9, 1), documents: ['written anew'] })
    })

    const { notes } = await swapBack(undo, stepContext(new ChromaApi(transport), tempDir), {
      acceptDataLoss: false,
      carry: true,
    })

    expect(renames).toBe(2)
    expect(notes).toEqual(['7 records written since the cutover were carried back into docs'])
    const found = await api().get(source, { ids: ['id4', 'id9', 'id100', 'id101'], include: ['documents'] })
    expect(new Map(found.ids.map((id, row) => [id, found.documents[row]]))).toEqual(
      new Map([
        ['id4', 'changed again'],
        ['id9', 'written anew'],
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

describe('somebody has removed the list of what was copied', () => {
  const removeList = async ({ ledger }: SwapBackUndo) => {
    if (ledger === null) throw new Error('no ledger')
    await api().deleteCollection(ledger)
  }

  test('down carries back what is new, and keeps all else beside', async () => {
    const undo = await applied(sameRecords('cosine'))
    await writeSince()
    await removeList(undo)

    const { notes } = await swapBack(undo, stepContext(api(), tempDir), {
      acceptDataLoss: false,
      carry: true,
    })

    const name = `docs.reverted-${undo.live.id.slice(0, 8)}`
    expect(notes).toEqual([
      '2 records written since the cutover were carried back into docs',
      expect.stringContaining(`all of it is kept in ${name}`),
    ])
    const kept = await api().getCollection({ ...docs, name })
    const { documents } = await api().get(kept, { ids: ['id4'], include: ['documents'] })
    expect(documents).toEqual(['changed'])
  })

  test('complete does not drop what may hold the only copy of a record', async () => {
    const undo = await applied(sameRecords('cosine'))
    await removeList(undo)

    await expect(
      completeSwap(undo, stepContext(api(), tempDir), { acceptDataLoss: false }),
    ).rejects.toMatchObject({ code: 'KEPT_UNKNOWN', exitCode: 15 })
    expect(await api().findCollection(undo.kept)).toBeDefined()
    await completeSwap(undo, stepContext(api(), tempDir), { acceptDataLoss: true })
    expect(await api().findCollection(undo.kept)).toBeUndefined()
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

  test('keepOld 0 keeps what holds records that the new one does not have', async () => {
    const map = sameRecords('cosine')
    let written = false
    // The record is changed in the old collection, and in the new one as soon as that has the name.
    const late = {
      ...map,
      map: async (...[batch, signal]: Parameters<RecordMap['map']>) => {
        const live = await api().findCollection(docs)
        if (!written && live !== undefined && live.id !== source.id) {
          written = true
          await api().upsert(live, { ...simpleRecords(4, 1), documents: ['in the new one'] })
        }
        return map.map(batch, signal)
      },
    }
    const journal = new MemoryJournal()
    journal.onPut = async (text) => {
      if (text.includes('SWAP_INTENT'))
        await api().upsert(source, { ...simpleRecords(4, 1), documents: ['in the old one'] })
    }
    const { undo, notes } = await copyAndSwap(
      swapStep('docs', late, { keepOld: '0' }),
      stepContext(api(), tempDir, { journal }),
    )

    if (undo?.kind !== 'swapBack') throw new Error('the old collection was dropped')
    expect(notes).toEqual([
      expect.stringContaining('not carried over'),
      `${undo.kept.name} is kept until "chroma-ops migrate complete --apply"`,
    ])
    const { documents } = await api().get(undo.kept, { ids: ['id4'], include: ['documents'] })
    expect(documents).toEqual(['in the old one'])
  })
})
