import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { spaceOf } from '../../../src/chroma/space.js'
import { KEPT_KEY } from '../../../src/core/migration-keys.js'
import { copyAndSwap } from '../../../src/migrations/swap/copy-and-swap.js'
import { apiForSuite, home, newCollection } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { expectSameRecords, sampleBatch } from '../../helpers/records.js'
import { sameRecords, stepContext, swapStep } from '../../helpers/swaps.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-swap-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true, force: true })
})

describe('from l2 to cosine', () => {
  test('the records, their types and their order stay; the old collection is kept', async () => {
    const source = await newCollection(api(), { metadata: new Map([['owner', 'me']]), hnsw: { space: 'l2' } })
    const batch = sampleBatch({ rows: 300, dimension: 16 })
    await api().add(source, batch)

    const outcome = await copyAndSwap(
      swapStep(source.name, sameRecords('cosine')),
      stepContext(api(), tempDir),
    )

    const live = await api().getCollection(source)
    expect(live.id).not.toBe(source.id)
    expect(spaceOf(live)).toBe('cosine')
    expect(live.metadata).toEqual(new Map([['owner', 'me']]))
    const records = await api().get(live, {
      limit: 1000,
      offset: 0,
      include: ['documents', 'metadatas', 'uris', 'embeddings'],
    })
    expectSameRecords(records, batch, 'cosine')
    expect(outcome).toMatchObject({ records: 300, notes: [] })
    expect(outcome.gapMs).toBeGreaterThan(0)
    if (outcome.undo?.kind !== 'swapBack') throw new Error('no way back')
    const kept = await api().getCollection(outcome.undo.kept)
    expect(kept.id).toBe(source.id)
    expect(kept.metadata?.get(KEPT_KEY)).toBe('00007')
    expect(await api().count(kept)).toBe(300)
    expect(home.tenant).toBe('default_tenant')
  })
})
