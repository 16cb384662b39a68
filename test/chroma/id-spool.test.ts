import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { BatchSizer } from '../../src/chroma/batch-sizer.js'
import { IdSpool } from '../../src/chroma/id-spool.js'
import { compareWithSpool } from '../../src/chroma/spool-difference.js'
import { anyText } from '../helpers/records.js'

let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-spool-'))
})
afterEach(async () => {
  expect(await readdir(folder)).toEqual([])
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function withSpool<T>(ids: readonly string[], use: (spool: IdSpool) => Promise<T>): Promise<T> {
  const spool = await IdSpool.create(folder)
  try {
    for (let at = 0; at < ids.length; at += 1_000) await spool.append(ids.slice(at, at + 1_000))
    return await use(spool)
  } finally {
    await spool.dispose()
  }
}

async function readAll(spool: IdSpool, skip?: number): Promise<string[]> {
  const ids: string[] = []
  for await (const piece of spool.read(skip)) ids.push(...piece)
  return ids
}

async function* piecesOf(ids: readonly string[], size: number) {
  for (let at = 0; at < ids.length; at += size) yield ids.slice(at, at + size)
}

const manyIds = Array.from({ length: 30_000 }, (_, index) => `record-${index}-ü`)

describe('a list of ids on disk', () => {
  test('is read as it was written, as often as wanted, whole or from any place', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyText, { maxLength: 30 }), fc.nat({ max: 35 }), async (ids, skip) => {
        await withSpool(ids, async (spool) => {
          expect(spool.ids).toBe(ids.length)
          expect(await readAll(spool)).toEqual(ids)
          expect(await readAll(spool, skip)).toEqual(ids.slice(skip))
        })
      }),
      { numRuns: 50 },
    )
  })

  test('more than one buffer full, and an id larger than a buffer', async () => {
    const ids = [...manyIds, 'x'.repeat(500_000), 'last']
    await withSpool(ids, async (spool) => {
      expect(await readAll(spool)).toEqual(ids)
      expect(await readAll(spool, 29_999)).toEqual(ids.slice(29_999))
    })
  })

  test('a folder that is not there is an error that tells what to do', async () => {
    await expect(IdSpool.create(path.join(folder, 'nope'))).rejects.toMatchObject({
      code: 'TEMP_FILE',
      hint: expect.stringContaining('--temp-dir'),
    })
  })

  test('leaves nothing behind, even if nobody disposes of it', async () => {
    const spool = await IdSpool.create(folder)
    await spool.append(['a'])
    const left = await readdir(folder)
    await spool.dispose()
    // Where a file in use cannot lose its name it is there until then.
    expect(left).toEqual(process.platform === 'win32' ? [expect.anything()] : [])
  })
})

describe('the difference to a list that arrives', () => {
  const anyIds = fc.uniqueArray(fc.integer({ min: 0, max: 60 }).map(String), { maxLength: 60 })

  test('is that of two sets, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(anyIds, anyIds, fc.integer({ min: 1, max: 20 }), async (first, second, size) => {
        const difference = await withSpool(first, (spool) =>
          compareWithSpool(spool, piecesOf(second, size), folder),
        )
        const [one, other] = [new Set(first), new Set(second)]
        expect(difference).toEqual({
          added: second.filter((id) => !one.has(id)).length,
          removed: first.filter((id) => !other.has(id)).length,
        })
      }),
      { numRuns: 100 },
    )
  })

  test.each([
    ['the same', manyIds, { added: 0, removed: 0 }],
    ['longer', [...manyIds, 'new'], { added: 1, removed: 0 }],
    ['shorter', manyIds.slice(0, -7), { added: 0, removed: 7 }],
    ['the other way round', [...manyIds].reverse(), { added: 0, removed: 0 }],
    ['nothing', [], { added: 0, removed: 30_000 }],
    ['with a gap', manyIds.filter((_, index) => index % 100 !== 0), { added: 0, removed: 300 }],
  ])('the new list is %s', async (_, second, difference) => {
    const compared = await withSpool(manyIds, (spool) =>
      compareWithSpool(spool, piecesOf(second, 777), folder),
    )
    expect(compared).toEqual(difference)
  })

  test('a list that breaks off leaves nothing behind', async () => {
    const breaking = async function* () {
      yield ['b', 'c']
      throw new Error('broke off')
    }
    const compared = withSpool(['a'], (spool) => compareWithSpool(spool, breaking(), folder))
    await expect(compared).rejects.toThrow('broke off')
  })
})

describe('the size of a batch', () => {
  test('begins small, grows with what was answered, and stops at the size aimed at', () => {
    const sizer = new BatchSizer(1_000_000, 100)
    const asked: number[] = []
    for (let turn = 0; turn < 6; turn++) {
      const records = sizer.rows(Infinity)
      asked.push(records)
      sizer.learn({ records, bytes: records * 1_000 })
    }
    expect(asked.slice(0, 2)).toEqual([64, 256])
    expect(Math.max(...asked)).toBeLessThanOrEqual(1_700)
    expect(asked.at(-1)).toBeLessThanOrEqual(1_100)
    expect(asked.at(-1)).toBeGreaterThanOrEqual(900)
  })

  test('shrinks at once when records are larger than expected', () => {
    const sizer = new BatchSizer(1_000_000, 1_000)
    sizer.learn({ records: 1_000, bytes: 1_000_000 })
    sizer.learn({ records: 1_000, bytes: 100_000_000 })
    expect(sizer.rows(Infinity)).toBeLessThan(15)
  })

  test('is at least one record, never more than the limit, and not misled by empty answers', () => {
    const sizer = new BatchSizer(10, 1_000)
    expect(sizer.rows(Infinity)).toBe(1)
    const bold = new BatchSizer(1e9, 1)
    bold.learn({ records: 0, bytes: 90 })
    expect(bold.rows(3)).toBe(3)
  })
})
