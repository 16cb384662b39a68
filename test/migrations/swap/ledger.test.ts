import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import type { CollectionDefinition } from '../../../src/core/records.js'
import { Ledger, type LedgerEntry } from '../../../src/migrations/swap/ledger.js'
import { DIGEST_LENGTH } from '../../../src/migrations/swap/record-digests.js'
import { apiForSuite, newCollection } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-ledger-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true, force: true })
})

const digest = (letter: string) => letter.repeat(DIGEST_LENGTH)

async function open(collection: CollectionDefinition, expected = 10): Promise<Ledger> {
  const { signal } = new AbortController()
  return Ledger.open({ api: api(), collection, tempDir, expected, signal })
}

async function entriesOf(ledger: Ledger): Promise<ReadonlyMap<string, LedgerEntry>> {
  const all: (readonly [string, LedgerEntry])[] = []
  for (let part = 0; part < ledger.parts; part++) all.push(...(await ledger.read(part)))
  return new Map(all)
}

test('another run finds what this one has written, the latest of each id', async () => {
  const collection = await newCollection(api())
  const first = await open(collection)
  const many = Array.from({ length: 700 }, (_, number) => `"id"\n${number} größer 👍`)
  await first.add(many.map((id) => [id, { source: digest('a'), target: digest('b') }]))
  await first.add([[many[0] ?? '', { source: digest('c'), target: null }]])
  await first.add([[many[1] ?? '', { source: null, target: null }]])
  await first.add([[many[2] ?? '', { source: null, target: digest('b') }]])
  await first.flush()
  const written = await entriesOf(first)
  await first.dispose()

  // In another number of parts.
  const second = await open(collection, 250_000)
  const found = await entriesOf(second)
  await second.add([['one more', { source: digest('d'), target: digest('e') }]])
  await second.flush()
  await second.dispose()

  expect(second.parts).toBe(3)
  expect(found).toEqual(written)
  expect(found.size).toBe(699)
  expect(found.get(many[0] ?? '')).toEqual({ source: digest('c'), target: null })
  expect(found.get(many[2] ?? '')).toEqual({ source: null, target: digest('b') })
  const third = await open(collection)
  expect((await entriesOf(third)).size).toBe(700)
  await third.dispose()
  expect(await readdir(tempDir)).toEqual([])
  // Documents stay within what Chroma Cloud takes.
  const { documents } = await api().get(collection, { limit: 100, offset: 0, include: ['documents'] })
  for (const document of documents) expect(Buffer.byteLength(document ?? '')).toBeLessThanOrEqual(16_384)
})
