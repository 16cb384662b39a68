import { describe, expect, test } from '@jest/globals'

import type { RecordBatch } from '../../src/core/records.js'
import { NotAPrefix, readWritten, unwritten } from '../../src/transfer/unwritten.js'
import { batchOf } from '../helpers/memory-source.js'

const batches = [['a', 'b', 'c'], ['d'], ['e', 'f']].map((ids) =>
  batchOf(ids.map((id) => ({ id, embedding: [1] }))),
)

describe('the records behind those that are there', () => {
  test.each([
    ['', 'abc d ef'],
    ['a', 'bc d ef'],
    ['abc', 'd ef'],
    ['abcd', 'ef'],
    ['abcde', 'f'],
    ['abcdef', ''],
  ])('there: "%s", to write: "%s"', async (there, left) => {
    expect((await rest(there)).join(' ')).toBe(left)
  })
})

test.each(['b', 'ba', 'abd', 'abcx', 'abcdefg', 'aabc'])(
  '"%s" is no beginning, told before anything is written',
  async (there) => {
    const seen: string[] = []
    await expect(rest(there, seen)).rejects.toBeInstanceOf(NotAPrefix)
    expect(seen).toEqual([])
  },
)

async function rest(there: string, seen: string[] = []): Promise<string[]> {
  const written = await readWritten(pieces(there))
  expect(written.count).toBe(there.length)
  for await (const { ids } of unwritten(all(), written)) seen.push(ids.join(''))
  return seen
}

/** In pieces of two, which are not those of the batches. */
async function* pieces(ids: string): AsyncGenerator<string[]> {
  for (let at = 0; at < ids.length; at += 2) yield Array.from(ids.slice(at, at + 2))
}

async function* all(): AsyncGenerator<RecordBatch> {
  yield* batches
}
