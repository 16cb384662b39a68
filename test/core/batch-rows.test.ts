import { expect, test } from '@jest/globals'

import { pickRows, piecesOf, sliceRows, withVectors } from '../../src/core/batch-rows.js'
import { batchOf } from '../helpers/memory-source.js'

const batch = batchOf([
  { id: 'a', embedding: [1, 2], document: 'A', uri: 'u', metadata: new Map([['n', 1n]]) },
  { id: 'b', embedding: null, document: null },
  { id: 'c', embedding: [5, 6], document: 'C' },
  { id: 'd', embedding: null },
])

test('a slice has the same rows, with the places of lost vectors moved', () => {
  expect(sliceRows(batch, 1, 4)).toEqual({
    ids: ['b', 'c', 'd'],
    dimension: 2,
    embeddings: Float32Array.from([0, 0, 5, 6, 0, 0]),
    missingEmbeddings: [0, 2],
    documents: [null, 'C', null],
    uris: [null, null, null],
    metadatas: [null, null, null],
  })
  expect(sliceRows(batch, 0, 4)).toBe(batch)
})

test('picked rows come in the order asked for', () => {
  const picked = pickRows(batch, [3, 0])
  expect(picked).toMatchObject({
    ids: ['d', 'a'],
    missingEmbeddings: [0],
    documents: [null, 'A'],
    uris: [null, 'u'],
  })
  expect([...picked.embeddings]).toEqual([0, 0, 1, 2])
  expect(picked.metadatas[1]).toEqual(new Map([['n', 1n]]))
})

test('without the rows whose vector is lost', () => {
  expect(withVectors(batch)).toMatchObject({ ids: ['a', 'c'], missingEmbeddings: [] })
  const whole = pickRows(batch, [0, 2])
  expect(withVectors(whole)).toBe(whole)
})

test('pieces hold all rows in order, at least one each', () => {
  const documents = ['x'.repeat(1000), '', 'y'.repeat(300), '', '']
  const rows = batchOf(documents.map((document, at) => ({ id: `${at}`, embedding: [at], document })))
  const pieces = [...piecesOf(rows, 500)].map(({ ids }) => ids)
  expect(pieces.flat()).toEqual(['0', '1', '2', '3', '4'])
  expect(pieces[0]).toEqual(['0'])
  expect(Math.max(...pieces.map(({ length }) => length))).toBeGreaterThan(1)
  expect([...piecesOf(batchOf([]), 500)]).toEqual([])
})
