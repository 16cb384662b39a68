import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { sliceRows } from '../../src/core/batch-rows.js'
import { concatBatches } from '../../src/core/concat-batches.js'
import { anyBatch, expectSameRecords } from '../helpers/records.js'
import { batchOf } from '../helpers/memory-source.js'

describe('concatBatches', () => {
  test('puts together what was cut', () => {
    fc.assert(
      fc.property(anyBatch(2), fc.nat({ max: 10 }), (batch, cut) => {
        const parts = [sliceRows(batch, 0, cut), sliceRows(batch, cut, batch.ids.length)]
        expectSameRecords(concatBatches(parts), batch)
      }),
      { numRuns: 30 },
    )
  })

  test('records that have all lost their vectors get the dimension of the others', () => {
    const lost = { ...batchOf([{ id: 'a', embedding: null }]), dimension: 0 }
    const whole = batchOf([{ id: 'b', embedding: [1, 2] }])
    expectSameRecords(
      concatBatches([lost, whole]),
      batchOf([
        { id: 'a', embedding: null },
        { id: 'b', embedding: [1, 2] },
      ]),
    )
    expect(concatBatches([lost], 2).embeddings).toEqual(Float32Array.of(0, 0))
  })

  test('vectors of different dimensions are not mixed, and none is cut or filled up', () => {
    const [short, long] = [batchOf([{ id: 'a', embedding: [1] }]), batchOf([{ id: 'b', embedding: [1, 2] }])]
    expect(() => concatBatches([short, long])).toThrow(RangeError)
    expectSameRecords(concatBatches([short], 2), short)
  })
})
