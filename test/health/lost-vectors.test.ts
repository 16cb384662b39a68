import { afterEach, expect, test } from '@jest/globals'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { healthExitCode } from '../../src/health/report.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { loseVectors, SYNC_THRESHOLD, type Loss } from '../helpers/lose-vectors.js'
import { simpleCollection, simpleRecords } from '../helpers/simple-collection.js'
import { healthOf } from './health-of.js'

const chroma = chromaForSuite()
let opened: ChromaApi[] = []

afterEach(async () => {
  await Promise.all(opened.map(({ transport }) => transport.close()))
  opened = []
})

async function open(): Promise<ChromaApi> {
  const api = new ChromaApi(await connectTransport({ url: chroma().url }))
  opened.push(api)
  return api
}

const whole = 'default_tenant/default_database/whole'

test.each<[Loss, number]>([
  // One write stays in the log after each save.
  ['removed', SYNC_THRESHOLD + 199],
  ['truncated', SYNC_THRESHOLD + 200],
])('vectors lost while counts are fine: the collection is named (%s)', async (loss, lost) => {
  const before = await open()
  const name = `${loss}-index`
  if (loss === 'removed') await simpleCollection(before, 'whole', SYNC_THRESHOLD + 200)
  const collection = await simpleCollection(before, name, SYNC_THRESHOLD + 200)
  // These stay in the log, so they survive.
  await before.add(collection, simpleRecords(SYNC_THRESHOLD + 200, 50))
  expect((await healthOf(chroma().url, { level: 'deep' })).findings.filter(isAbout(name))).toEqual([])

  await loseVectors(chroma(), collection, loss)

  const api = await open()
  expect(await api.count(collection)).toBe(SYNC_THRESHOLD + 250)
  const { documents } = await api.get(collection, { ids: ['id0'], include: ['documents'] })
  expect(documents).toEqual(['document 0'])

  const ready = await healthOf(chroma().url)
  expect(ready.status).toBe('critical')
  expect(healthExitCode(ready)).toBe(4)
  expect(ready.findings.find(isAbout(name))).toMatchObject({
    id: 'VECTORS_LOST',
    severity: 'critical',
    evidence: expect.stringContaining('of 24 sampled vectors cannot be read back, among them "id0"'),
    command: expect.stringContaining(
      `health --level deep --collection default_tenant/default_database/${name}`,
    ),
  })
  expect(ready.findings.filter(({ collection }) => collection === whole)).toEqual([])

  const deep = await healthOf(chroma().url, { level: 'deep' })
  const checked = deep.collections.find((candidate) => candidate.name === name)
  expect(checked).toMatchObject({ status: 'critical', records: SYNC_THRESHOLD + 250 })
  expect(checked?.vectors.checked).toBe(SYNC_THRESHOLD + 250)
  // Every loss costs failed requests, so after some hundred the rest is given as a range.
  expect(checked?.vectors.lost).toBeGreaterThan(100)
  expect(checked?.vectors.lost).toBeLessThan(lost)
  expect((checked?.vectors.lost ?? 0) + (checked?.vectors.undecided ?? 0)).toBeGreaterThanOrEqual(lost)
  expect(deep.findings.find(isAbout(name))).toMatchObject({
    id: 'VECTORS_LOST',
    evidence: expect.stringMatching(/^at least \d+, at most \d+ of 1250 vectors cannot be read back/),
    command: expect.stringContaining(`restore latest --collection default_tenant/default_database/${name}`),
  })
})

test('a few lost vectors are counted one by one', async () => {
  const api = await open()
  const collection = await simpleCollection(api, 'partly', SYNC_THRESHOLD)
  await api.deleteRecords(
    collection,
    simpleRecords(20, SYNC_THRESHOLD - 20).ids.filter((id) => id !== 'id999'),
  )
  // Few enough that the index is not saved again.
  await api.add(collection, simpleRecords(2_000, 10))
  await loseVectors(chroma(), collection)
  const report = await healthOf(chroma().url, { level: 'deep' })
  expect(report.collections.find(({ name }) => name === 'partly')?.vectors).toEqual({
    checked: 31,
    lost: 20,
    undecided: 0,
    lostIds: simpleRecords(0, 20).ids,
  })
})

function isAbout(name: string) {
  return ({ collection }: { readonly collection: string | null }) => collection?.endsWith(`/${name}`) ?? false
}
