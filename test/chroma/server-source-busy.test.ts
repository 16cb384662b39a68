import { describe, expect, test } from '@jest/globals'

import type { ChromaApi } from '../../src/chroma/api.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { sampleBatch } from '../helpers/records.js'
import { isListing, sourceForSuite } from '../helpers/source-on-server.js'

const { api, readAll, filled, apiThrough } = sourceForSuite()

describe('while others write', () => {
  const rows = 3_000
  const options = { batchBytes: 20_000, concurrency: 2 }
  const anyId = (number: number) => `id${String(number).padStart(8, '0')}`

  test('additions and deletions are counted, and what existed throughout is there', async () => {
    const [collection, batch] = await filled(rows)
    const deleted = batch.ids.filter((_, row) => row % 3 === 0)
    const { records, consistency } = await readAll(collection, options, async (_, index) => {
      if (index !== 0) return
      await api().deleteRecords(collection, deleted)
      await api().add(collection, sampleBatch({ rows: 50, dimension: 2, first: rows }))
    })
    const gone = new Set(deleted)
    const read = new Set(records.ids)
    expect(batch.ids.filter((id) => !gone.has(id) && !read.has(id))).toEqual([])
    expect(read.size).toBe(records.ids.length)
    expect(consistency.added).toBe(50)
    expect(consistency.removed).toBe(deleted.length)
    expect(consistency.missing).toBe(rows - records.ids.length)
    expect(consistency.missing).toBeGreaterThan(0)
  })

  test('a record that is deleted and added again is not counted, and is read once', async () => {
    const [collection] = await filled(rows)
    const { records, consistency } = await readAll(collection, options, async (_, index) => {
      if (index !== 0) return
      const again = sampleBatch({ rows: 10, dimension: 2, first: 2_900 })
      await api().deleteRecords(collection, again.ids)
      await api().add(collection, again)
    })
    expect(new Set(records.ids).size).toBe(rows)
    expect(consistency).toEqual({ added: 0, removed: 0, missing: 0 })
  })

  test('deletions between the windows of a listing skip nothing', async () => {
    const [collection, batch] = await filled(1_000)
    const early = batch.ids.slice(0, 40)
    const disturbed = await beforeListing(async (listing) => {
      if (listing === 2) await api().deleteRecords(collection, early)
    })
    const { records } = await readAll(collection, { api: disturbed, windowIds: 300 })
    expect(records.ids).toEqual(batch.ids.slice(40))
  })

  test('a listing that deletions disturb again and again is taken in one piece', async () => {
    const [collection, batch] = await filled(1_000)
    const disturbed = await beforeListing(async (listing) => {
      await api().deleteRecords(collection, [anyId(listing)])
    })
    const { records } = await readAll(collection, { api: disturbed, windowIds: 300 })
    expect(records.ids).toEqual([anyId(0), ...batch.ids.slice(1 + batch.ids.length - records.ids.length)])
    expect(records.ids.length).toBeGreaterThan(980)
  })

  test('a busy writer does not make any record that stays disappear', async () => {
    const [collection, batch] = await filled(rows)
    const stop = new AbortController()
    const writing = write(collection, stop.signal)
    const { records } = await readAll(collection, { ...options, windowIds: 700 })
    stop.abort()
    const touched = await writing
    const read = new Set(records.ids)
    expect(batch.ids.filter((id) => !touched.has(id) && !read.has(id))).toEqual([])
    expect(read.size).toBe(records.ids.length)
  })

  /** Deletes and adds until it is told to stop; the ids that it deleted. */
  async function write(collection: CollectionDefinition, signal: AbortSignal): Promise<Set<string>> {
    const touched = new Set<string>()
    for (let turn = 0; !signal.aborted; turn++) {
      const ids = Array.from({ length: 5 }, (_, index) => anyId((turn * 37 + index * 11) % rows))
      for (const id of ids) touched.add(id)
      await api().deleteRecords(collection, ids)
      await api().add(collection, sampleBatch({ rows: 3, dimension: 2, first: rows + turn * 3 }))
    }
    return touched
  }
})

/** An API that does something before each request for a list of ids; they are counted from 1. */
async function beforeListing(act: (listing: number) => Promise<void>): Promise<ChromaApi> {
  let listings = 0
  return apiThrough(async (request) => {
    if (isListing(request)) await act(++listings)
    return undefined
  })
}
