import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { ChromaConflictError, CollectionNotFoundError } from '../../../src/chroma/errors.js'
import { OpsError } from '../../../src/core/errors.js'
import { KEPT_KEY } from '../../../src/core/migration-keys.js'
import type { CollectionDefinition } from '../../../src/core/records.js'
import { copyAndSwap } from '../../../src/migrations/swap/copy-and-swap.js'
import type { StepOutcome } from '../../../src/migrations/step-outcome.js'
import { apiForSuite, home } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { dropCollections } from '../../helpers/server-contents.js'
import { simpleCollection, simpleRecords } from '../../helpers/simple-collection.js'
import { BetweenRequests, MemoryJournal, sameRecords, stepContext, swapStep } from '../../helpers/swaps.js'

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

/** Runs it with something done in the hole: right before the request that gives the copy its name. */
async function swapWith(inTheHole: (times: number) => Promise<void>): Promise<StepOutcome> {
  let puts = 0
  const between = new BetweenRequests(api().transport, async ({ method, body }) => {
    if (method === 'PUT' && String(body).includes('"new_name":"docs"')) await inTheHole(++puts)
  })
  return copyAndSwap(swapStep('docs', sameRecords('cosine')), stepContext(new ChromaApi(between), tempDir))
}

/** What get_or_create of an application does. */
async function getOrCreate(): Promise<CollectionDefinition> {
  for (;;) {
    const found = await api().findCollection(docs)
    if (found !== undefined) return found
    try {
      return await api().createCollection({ ...docs, metadata: null, schema: null, configuration: null })
    } catch (error) {
      if (!(error instanceof ChromaConflictError)) throw error
    }
  }
}

test('an application that makes the collection while the name is free: an empty one goes, and is told of', async () => {
  await simpleCollection(api(), 'docs', 20)

  const { notes } = await swapWith(async (times) => {
    if (times <= 3) await getOrCreate()
  })

  expect(notes).toEqual([expect.stringContaining('3 empty collections were made as docs')])
  expect(await namesOf()).toEqual(['docs', 'docs.ledger-…', 'docs.old-…'])
  expect(await api().count(await api().getCollection(docs))).toBe(20)
})

test('… one with records: they are carried over, and it is kept', async () => {
  await simpleCollection(api(), 'docs', 20)

  const { notes } = await swapWith(async (times) => {
    if (times > 1) return
    const intruder = await getOrCreate()
    // One of them is in the copy too, as it was before: the application has written it anew.
    await api().add(intruder, simpleRecords(19, 3))
    await api().upsert(intruder, { ...simpleRecords(19, 1), documents: ['rewritten'] })
  })

  expect(notes).toEqual([expect.stringContaining('wrote 3 records to it: 3 are carried over')])
  expect(await namesOf()).toEqual(['docs', 'docs.intruder-…', 'docs.ledger-…', 'docs.old-…'])
  const live = await api().getCollection(docs)
  expect(await api().count(live)).toBe(22)
  const { documents } = await api().get(live, { ids: ['id19', 'id21'], include: ['documents'] })
  expect([...documents].sort()).toEqual(['document 21', 'rewritten'])
  const intruder = (await all()).find(({ name }) => name.includes('.intruder-'))
  expect(intruder?.metadata?.has(KEPT_KEY)).toBe(true)
  if (intruder !== undefined) expect(await api().count(intruder)).toBe(3)
})

test('a storm of callers does not keep the copy from its name, and no record of theirs is lost', async () => {
  await simpleCollection(api(), 'docs', 20)
  let stop = false
  let calls = 0
  const written: string[] = []
  const caller = async (number: number) => {
    for (let turn = 0; !stop; turn++) {
      const collection = await getOrCreate()
      calls++
      // What was made in the hole is written to, as an application would.
      if (turn % 3 !== 0) continue
      const records = simpleRecords(1000 * number + turn, 1)
      try {
        await api().add(collection, records)
        written.push(...records.ids)
      } catch (error) {
        // An empty one that it held was removed: it hears of that, and gets the collection anew.
        if (!(error instanceof CollectionNotFoundError)) throw error
      }
    }
  }
  const callers = [1, 2, 3, 4].map(caller)
  let outcome: StepOutcome
  try {
    outcome = await copyAndSwap(swapStep('docs', sameRecords('cosine')), stepContext(api(), tempDir))
  } finally {
    stop = true
    await Promise.all(callers)
  }
  expect(calls).toBeGreaterThan(0)
  const places = new Map<string, Set<string>>()
  for (const { name, ...rest } of await all()) {
    if (name.includes('.ledger-')) continue
    const { ids } = await api().get({ ...rest, name }, { limit: 100_000, offset: 0, include: [] })
    places.set(name, new Set(ids))
  }
  for (let number = 0; number < 20; number++) expect(places.get('docs')).toContain(`id${number}`)
  // Those that came after the last look are still there, in a collection that is kept.
  const anywhere = new Set([...places.values()].flatMap((ids) => [...ids]))
  expect(written.filter((id) => !anywhere.has(id))).toEqual([])
  expect(outcome.records).toBeGreaterThanOrEqual(20)
})

test('50 records that a client writes to the old collection after the cutover are carried over and told of', async () => {
  const stale = await simpleCollection(api(), 'docs', 20)
  let [done, deleted] = [false, false]
  const between = new BetweenRequests(api().transport, async ({ method, path: where }) => {
    // The first request behind the swap: the client holds the id, and writes what it always wrote.
    const swapped = method === 'GET' && where.includes('collections?') && (await isSwapped(stale))
    if (!swapped || done) return
    done = true
    await api().add(stale, simpleRecords(100, 50))
    await api().upsert(stale, { ...simpleRecords(3, 1), documents: ['late'] })
    await api().deleteRecords(stale, ['id5'])
    // And this one was changed by others in the new collection meanwhile.
    const live = await api().getCollection(docs)
    await api().upsert(live, { ...simpleRecords(7, 1), documents: ['newer'] })
    await api().upsert(stale, { ...simpleRecords(7, 1), documents: ['older'] })
    deleted = true
  })

  const { notes } = await copyAndSwap(
    swapStep('docs', sameRecords('cosine')),
    stepContext(new ChromaApi(between), tempDir),
  )

  expect(deleted).toBe(true)
  expect(notes).toEqual([
    expect.stringMatching(
      /^52 late writes to the old collection \(now docs\.old-\w+\) were carried into docs: restart/,
    ),
    expect.stringContaining('1 late write to'),
  ])
  const live = await api().getCollection(docs)
  expect(await api().count(live)).toBe(69)
  const found = await api().get(live, { ids: ['id3', 'id5', 'id7', 'id149'], include: ['documents'] })
  expect(new Map(found.ids.map((id, row) => [id, found.documents[row]]))).toEqual(
    new Map([
      ['id3', 'late'],
      ['id7', 'newer'],
      ['id149', 'document 149'],
    ]),
  )
})

test('a lock that is lost right before the swap leaves the names as they are', async () => {
  const source = await simpleCollection(api(), 'docs', 20)
  class Lost extends OpsError {
    override readonly code = 'LOST'
  }
  let lost = false
  const journal = new MemoryJournal()
  journal.onPut = (text) => {
    lost = text.includes('SWAP_INTENT')
  }
  const guard = { check: async () => (lost ? Promise.reject(new Lost('lost')) : undefined) }
  const context = stepContext(api(), tempDir, { journal, guard })
  await expect(copyAndSwap(swapStep('docs', sameRecords('cosine')), context)).rejects.toThrow(Lost)
  expect((await api().getCollection(docs)).id).toBe(source.id)
})

async function isSwapped(source: CollectionDefinition): Promise<boolean> {
  const live = await api().findCollection(docs)
  return live !== undefined && live.id !== source.id
}

async function all(): Promise<readonly CollectionDefinition[]> {
  return api().listCollections(home.tenant, home.database)
}

async function namesOf(): Promise<readonly string[]> {
  return (await all()).map(({ name }) => name.replace(/[0-9a-f]{8}$/, '…')).sort()
}
