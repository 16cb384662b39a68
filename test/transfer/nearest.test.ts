import { expect, test } from '@jest/globals'

import { distance, NearestDistances } from '../../src/transfer/nearest.js'
import { batchOf } from '../helpers/memory-source.js'

const vector = (...floats: number[]) => Float32Array.from(floats)

test('distances are those of Chroma', () => {
  expect(distance('l2', vector(1, 2), vector(4, 6))).toBe(25)
  expect(distance('ip', vector(1, 2), vector(4, 6))).toBe(-15)
  expect(distance('cosine', vector(1, 0), vector(0, 3))).toBe(1)
  expect(distance('cosine', vector(1, 0), vector(5, 0))).toBe(0)
  expect(distance('cosine', vector(0, 0), vector(5, 0))).toBe(1)
})

test('keeps the smallest, ascending, over all batches', () => {
  const search = new NearestDistances('l2', vector(0), 3)
  for (const values of [[5, 1, 4], [2, 2], [9]])
    search.show(batchOf(values.map((value) => ({ id: `${value}`, embedding: [value] }))))
  expect(search.distances()).toEqual([1, 4, 4])
})

test('fewer when there are fewer', () => {
  const search = new NearestDistances('l2', vector(0), 10)
  search.show(batchOf([{ id: 'a', embedding: [2] }]))
  expect(search.distances()).toEqual([4])
})
